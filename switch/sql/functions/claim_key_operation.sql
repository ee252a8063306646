-- claim_key_operation(participant_no, key, digest, id) → (disposition, operation)
--
-- Purpose     Claims the idempotency key of a message about a signing key, or finds what it was
--             answered before.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  of the operation
-- Returns     disposition  0 claimed now, 1 claimed before by the same message, 2 spent on
--             something else, 5 barred
--             operation    what it came to where disposition is 1
-- Locks       the key claim; a twin elsewhere is waited for
-- Tables      inserts and reads key_claim; reads key_operation
CREATE OR REPLACE FUNCTION ledger.claim_key_operation(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid,
    OUT disposition smallint, OUT operation ledger.key_operation)
LANGUAGE plpgsql
AS $$
DECLARE
    v_subject uuid;
BEGIN
    INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
    VALUES (p_participant_no, 5, p_id, p_digest, p_key)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        disposition := 0;
        RETURN;
    END IF;
    SELECT CASE WHEN c.operation = 5 AND c.digest = p_digest THEN 1
                WHEN c.operation = 4 THEN 5
                ELSE 2 END, c.subject
      INTO STRICT disposition, v_subject
      FROM ledger.key_claim c WHERE c.participant_no = p_participant_no AND c.key = p_key;
    IF disposition = 1 THEN
        SELECT o.* INTO STRICT operation FROM ledger.key_operation o WHERE o.id = v_subject;
    END IF;
END $$;
