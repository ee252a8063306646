-- read_request_operation(participant_no, key) → (digest, request)
--
-- Purpose     What a message about a payment request asked for, and of which request.
-- Parameters  p_participant_no, p_key  whose message, its idempotency key
-- Returns     digest  of the message that spent the key; request  its row as it is now
-- Locks       none
-- Tables      reads key_claim, payment_request
CREATE OR REPLACE FUNCTION ledger.read_request_operation(
    p_participant_no integer, p_key text, OUT digest bytea, OUT request ledger.payment_request)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_subject uuid;
BEGIN
    SELECT c.digest, c.subject INTO STRICT digest, v_subject
      FROM ledger.key_claim c
     WHERE c.participant_no = p_participant_no AND c.key = p_key AND c.operation = 7;
    SELECT * INTO STRICT request FROM ledger.payment_request r WHERE r.id = v_subject;
END $$;
