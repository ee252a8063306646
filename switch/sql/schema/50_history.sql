-- History is append-only, for the functions as well: a mistake in one of them cannot rewrite a
-- decision.

CREATE FUNCTION ledger.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql SET search_path = ledger,
    pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'SW002';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.payment
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.leg
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.draw
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.split
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.key_claim
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.fold
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.account_operation
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.key_operation
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.key_change
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.payment
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.leg
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.draw
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.split
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.key_claim
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.fold
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.account_operation
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.key_operation
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON ledger.key_change
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
