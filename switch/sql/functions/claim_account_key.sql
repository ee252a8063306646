-- claim_account_key(participant_no, key, digest, account) → (disposition, operation)
--
-- Purpose     Claims the key of a message about an account, or finds what it was answered before.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its key, SHA-256 of what it asks
--             for; p_account  its id
-- Returns     disposition  0 claimed now, 1 claimed before by the same message, 2 spent on
--             something else, 5 barred
--             operation    the stored answer where disposition is 1
-- Locks       the key claim; a twin elsewhere is waited for
-- Tables      inserts and reads key_claim; reads account_operation
CREATE OR REPLACE FUNCTION ledger.claim_account_key(
    p_participant_no integer, p_key text, p_digest bytea, p_account uuid,
    OUT disposition smallint, OUT operation ledger.account_operation)
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
    VALUES (p_participant_no, 2, p_account, p_digest, p_key)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        disposition := 0;
        RETURN;
    END IF;
    SELECT CASE WHEN c.operation = 2 AND c.digest = p_digest THEN 1
                WHEN c.operation = 4 THEN 5
                ELSE 2 END INTO STRICT disposition
      FROM ledger.key_claim c WHERE c.participant_no = p_participant_no AND c.key = p_key;
    IF disposition = 1 THEN
        SELECT o.* INTO STRICT operation
          FROM ledger.account_operation o WHERE o.participant_no = p_participant_no
              AND o.key = p_key;
    END IF;
END $$;
