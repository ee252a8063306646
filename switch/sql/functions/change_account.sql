-- change_account(participant_no, key, digest, account, action) → one row
--
-- Purpose     Freezes, unfreezes or closes a participant's account for its signed message, once a
--             key.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_account; p_action  freeze, unfreeze or close
-- Returns     disposition  0 done now, 1 done before by the same message, 2 the key was spent on
--             something else,
--                          4 no such account of this participant (no key spent)
--             operation    what is answered, null where disposition is 2 or 4
-- Locks       the key claim, then the account
-- Tables      inserts key_claim, account_operation; updates account
CREATE OR REPLACE FUNCTION ledger.change_account(
    p_participant_no integer, p_key text, p_digest bytea, p_account uuid, p_action text,
    OUT disposition smallint, OUT operation ledger.account_operation)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_claim record;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.account
                    WHERE shard = 0 AND id = p_account AND participant_no = p_participant_no) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_claim
      FROM ledger.claim_account_key(p_participant_no, p_key, p_digest, p_account);
    disposition := v_claim.disposition;
    operation := v_claim.operation;
    IF disposition = 0 THEN
        INSERT INTO ledger.account_operation
            (participant_no, key, account, operation, status, frozen_by, reason, decided_at)
        SELECT p_participant_no, p_key, p_account, p_action, s.status, s.frozen_by, s.reason,
               ledger.decision_time()
          FROM ledger.apply_to_account(p_account, p_action, 'participant') s
        RETURNING * INTO operation;
    END IF;
END $$;
