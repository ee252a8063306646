-- upgrade(participant_no, key, digest, account, tier, tiers_below, needs, …) → one row
--
-- Purpose     Puts a wallet into a better class for its provider's signed message, once a key, with
--             what its holder has told meanwhile. Its limits count from the next decision on.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_account; p_tier  of the class; p_tiers_below  from which it is a
--             way up; p_needs  what has to be known for it; p_fingerprint … p_checked_in_person  as
--             register: what is told now
-- Returns     disposition  0 done now, 1 done before by the same message, 2 the key was spent on
--             something else, 3 there is no such tier, 4 no such wallet of this participant, 5
--             barred, 7 the number names another wallet, 8 it is no way up, 9 `about` is not known,
--             10 `about` was told before, 11 its holder was forgotten (3, 4 and 7 to 11 spend no
--             key)
--             operation    what is answered, null where disposition is not 0 or 1
--             about        as disposition says
-- Locks       the wallet, the number, then the key claim, then the account
-- Tables      updates wallet, account; inserts alias, account_operation; reads key_claim, tier,
--             account_now; as claim_account_key
CREATE OR REPLACE FUNCTION wallets.upgrade(
    p_participant_no integer, p_key text, p_digest bytea, p_account uuid, p_tier text,
    p_tiers_below text[], p_needs text[], p_fingerprint bytea, p_phone_index bytea,
    p_sealed_phone bytea, p_sealed_name bytea, p_sealed_document bytea,
    p_checked_in_person boolean,
    OUT disposition smallint, OUT operation ledger.account_operation, OUT about text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
DECLARE
    v_wallet  record;
    v_tier    ledger.tier;
    v_claim   record;
    v_told    constant text[] := array_remove(ARRAY[
        CASE WHEN p_sealed_phone IS NOT NULL THEN 'phone' END,
        CASE WHEN p_sealed_name IS NOT NULL THEN 'name' END,
        CASE WHEN p_sealed_document IS NOT NULL THEN 'document' END,
        CASE WHEN p_checked_in_person THEN 'checked_in_person' END], NULL);
    v_known   text[];
BEGIN
    PERFORM wallets.check_index_key(p_fingerprint);
    PERFORM wallets.take_turns(p_account);
    IF p_phone_index IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(p_phone_index::text, 0));
    END IF;
    SELECT w.*, a.currency, a.tier INTO v_wallet
      FROM wallets.wallet w JOIN ledger.account a ON a.shard = 0 AND a.id = w.account
     WHERE w.account = p_account AND w.participant_no = p_participant_no;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO v_tier FROM ledger.tier WHERE name = p_tier AND currency = v_wallet.currency;
    v_known := array_remove(ARRAY[
        CASE WHEN v_wallet.sealed_phone IS NOT NULL THEN 'phone' END,
        CASE WHEN v_wallet.sealed_name IS NOT NULL THEN 'name' END,
        CASE WHEN v_wallet.sealed_document IS NOT NULL THEN 'document' END,
        CASE WHEN v_wallet.checked_in_person THEN 'checked_in_person' END], NULL);
    IF NOT EXISTS (SELECT FROM ledger.key_claim
                    WHERE participant_no = p_participant_no AND key = p_key) THEN
        SELECT min(t) INTO about FROM unnest(v_told) AS t
         WHERE t = ANY (v_known) AND t <> 'checked_in_person';
        IF about IS NULL THEN
            SELECT min(n) INTO about FROM unnest(p_needs) AS n WHERE n <> ALL (v_known || v_told);
            disposition := 9;
        ELSE
            disposition := 10;
        END IF;
        disposition := CASE
            WHEN v_wallet.forgotten_at IS NOT NULL THEN 11
            WHEN v_tier.name IS NULL THEN 3
            WHEN v_wallet.tier <> ALL (p_tiers_below) THEN 8
            WHEN about IS NOT NULL THEN disposition
            WHEN EXISTS (SELECT FROM wallets.alias i
                          WHERE i.kind = 'phone' AND i.blind_index = p_phone_index
                            AND i.currency = v_wallet.currency) THEN 7
        END;
        IF disposition IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    SELECT * INTO STRICT v_claim
      FROM ledger.claim_account_key(p_participant_no, p_key, p_digest, p_account);
    disposition := v_claim.disposition;
    operation := v_claim.operation;
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    UPDATE ledger.account SET tier = p_tier WHERE shard = 0 AND id = p_account;
    UPDATE wallets.wallet w
       SET sealed_phone = coalesce(w.sealed_phone, p_sealed_phone),
           sealed_name = coalesce(w.sealed_name, p_sealed_name),
           sealed_document = coalesce(w.sealed_document, p_sealed_document),
           checked_in_person = w.checked_in_person OR p_checked_in_person
     WHERE w.account = p_account;
    IF p_phone_index IS NOT NULL THEN
        INSERT INTO wallets.alias (kind, blind_index, currency, account)
        VALUES ('phone', p_phone_index, v_wallet.currency, p_account);
    END IF;
    INSERT INTO ledger.account_operation
        (participant_no, key, account, operation, status, frozen_by, tier, payment_limit,
         daily_limit, yearly_limit, balance_limit, decided_at)
    SELECT p_participant_no, p_key, p_account, 'upgrade', n.status, n.frozen_by, v_tier.name,
           v_tier.payment_limit, v_tier.daily_limit, v_tier.yearly_limit, v_tier.balance_limit,
           ledger.decision_time()
      FROM ledger.account_now n WHERE n.shard = 0 AND n.id = p_account
    RETURNING * INTO operation;
END $$;
