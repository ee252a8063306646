-- claim_subject(participant_no, key, digest, subject, operation) → (disposition, subject)
--
-- Purpose     Claims the key of a message that makes or changes something beside payments, or finds
--             what it was spent on.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its key, SHA-256 of what it asks
--             for; p_subject  what it is about, the id of a new one if this message makes it;
--             p_operation  as key_claim.operation
-- Returns     as claim_request_key
-- Locks       the key claim; a twin elsewhere is waited for
-- Tables      inserts and reads key_claim
CREATE OR REPLACE FUNCTION ledger.claim_subject(
    p_participant_no integer, p_key text, p_digest bytea, p_subject uuid, p_operation smallint,
    OUT disposition smallint, OUT subject uuid)
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
    VALUES (p_participant_no, p_operation, p_subject, p_digest, p_key)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        disposition := 0;
        subject := p_subject;
        RETURN;
    END IF;
    SELECT CASE WHEN c.operation = p_operation AND c.digest = p_digest THEN 1
                WHEN c.operation = 4 THEN 5
                ELSE 2 END, c.subject
      INTO STRICT disposition, subject
      FROM ledger.key_claim c WHERE c.participant_no = p_participant_no AND c.key = p_key;
END $$;
