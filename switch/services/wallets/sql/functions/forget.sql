-- forget(participant_no, key, digest, account, tier) → one row
--
-- Purpose     Deletes what is known of a wallet's holder, for its provider's signed message, once a
--             key. The account stays, with its payments, in the class of people who are not known.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_account; p_tier  of the class that needs to know nothing
-- Returns     disposition  0 done now, 1 done before by the same message, 2 the key was spent on
--             something else, 3 there is no such tier, 4 no such wallet of this participant, 5
--             barred (3 and 4 spend no key)
--             operation    what is answered, null where disposition is not 0 or 1
-- Locks       the wallet, the key claim, then the account
-- Tables      updates wallet, account; deletes alias; inserts account_operation; reads key_claim,
--             tier, account_now; as claim_account_key
CREATE OR REPLACE FUNCTION wallets.forget(
    p_participant_no integer, p_key text, p_digest bytea, p_account uuid, p_tier text,
    OUT disposition smallint, OUT operation ledger.account_operation)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
DECLARE
    v_currency text;
    v_claim    record;
BEGIN
    PERFORM wallets.take_turns(p_account);
    SELECT a.currency INTO v_currency
      FROM wallets.wallet w JOIN ledger.account a ON a.shard = 0 AND a.id = w.account
     WHERE w.account = p_account AND w.participant_no = p_participant_no;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM ledger.tier WHERE name = p_tier AND currency = v_currency)
          AND NOT EXISTS (SELECT FROM ledger.key_claim
                           WHERE participant_no = p_participant_no AND key = p_key) THEN
        disposition := 3;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_claim
      FROM ledger.claim_account_key(p_participant_no, p_key, p_digest, p_account);
    disposition := v_claim.disposition;
    operation := v_claim.operation;
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    UPDATE ledger.account SET tier = p_tier WHERE shard = 0 AND id = p_account;
    DELETE FROM wallets.alias WHERE account = p_account;
    UPDATE wallets.wallet
       SET sealed_phone = NULL, sealed_name = NULL, sealed_document = NULL,
           checked_in_person = false,
           forgotten_at = coalesce(forgotten_at, ledger.decision_time())
     WHERE account = p_account;
    INSERT INTO ledger.account_operation
        (participant_no, key, account, operation, status, frozen_by, decided_at)
    SELECT p_participant_no, p_key, p_account, 'forget', n.status, n.frozen_by,
           ledger.decision_time()
      FROM ledger.account_now n WHERE n.shard = 0 AND n.id = p_account
    RETURNING * INTO operation;
END $$;
