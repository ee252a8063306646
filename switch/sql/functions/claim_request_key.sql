-- claim_request_key(participant_no, key, digest, request) → (disposition, subject)
--
-- Purpose     Claims the key of a message about a payment request, or finds what it was spent on.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its key, SHA-256 of what it asks
--             for; p_request  its id, that of a new one if this message makes it
-- Returns     disposition  0 claimed now, 1 claimed before by the same message, 2 spent on
--             something else, 5 barred; subject  the payment request where disposition is 0 or 1,
--             the bar where it is 5
-- Locks       the key claim; a twin elsewhere is waited for
-- Tables      inserts and reads key_claim
CREATE OR REPLACE FUNCTION ledger.claim_request_key(
    p_participant_no integer, p_key text, p_digest bytea, p_request uuid,
    OUT disposition smallint, OUT subject uuid)
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
    VALUES (p_participant_no, 7, p_request, p_digest, p_key)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        disposition := 0;
        subject := p_request;
        RETURN;
    END IF;
    SELECT CASE WHEN c.operation = 7 AND c.digest = p_digest THEN 1
                WHEN c.operation = 4 THEN 5
                ELSE 2 END, c.subject
      INTO STRICT disposition, subject
      FROM ledger.key_claim c WHERE c.participant_no = p_participant_no AND c.key = p_key;
END $$;
