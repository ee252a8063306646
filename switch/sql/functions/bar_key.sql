-- bar_key(participant_no, key, digest, payment_id) → (disposition, operation, subject)
--
-- Purpose     Makes sure that a key can never be decided, or finds what it was decided to. Whoever
--             is deciding it elsewhere is waited for.
-- Parameters  p_participant_no, p_key  whose key; p_digest  SHA-256 of the message that bars it;
--             p_payment_id  the id that the barred decision gets; p_key_no, p_traceparent,
--             p_span_id  as authorize_batch
-- Returns     disposition  0 barred now, 1 spent before; operation, subject  as find_claim
-- Locks       the key claim
-- Tables      inserts and reads key_claim; inserts payment
CREATE OR REPLACE FUNCTION ledger.bar_key(
    p_participant_no integer, p_key text, p_digest bytea, p_payment_id uuid,
    p_key_no integer DEFAULT NULL, p_traceparent text DEFAULT NULL, p_span_id text DEFAULT NULL,
    OUT disposition smallint, OUT operation smallint, OUT subject uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
BEGIN
    INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
    VALUES (p_participant_no, 4, p_payment_id, p_digest, p_key)
        ON CONFLICT DO NOTHING;
    disposition := CASE WHEN FOUND THEN 0 ELSE 1 END;
    IF disposition = 0 THEN
        INSERT INTO ledger.payment (created_at, participant_no, type, outcome, id, key, key_no,
                                    work_us, traceparent, span_id)
        VALUES (ledger.decision_time(), p_participant_no, 0, 10, p_payment_id, p_key, p_key_no,
                ledger.work_us(), p_traceparent, p_span_id);
    END IF;
    SELECT c.operation, c.subject INTO STRICT operation, subject
      FROM ledger.key_claim c WHERE c.participant_no = p_participant_no AND c.key = p_key;
END $$;
