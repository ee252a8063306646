-- read_mandate_operation(participant_no, key) → (digest, mandate)
--
-- Purpose     What a message about a mandate asked for, and of which mandate.
-- Parameters  p_participant_no, p_key  whose message, its idempotency key
-- Returns     digest  of the message that spent the key; mandate  its row as it was last written,
--             of whatever day: two answers about it are the same as long as the row is
-- Locks       none
-- Tables      reads key_claim, mandate
CREATE OR REPLACE FUNCTION ledger.read_mandate_operation(
    p_participant_no integer, p_key text, OUT digest bytea, OUT mandate ledger.mandate)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_subject uuid;
BEGIN
    SELECT c.digest, c.subject INTO STRICT digest, v_subject
      FROM ledger.key_claim c
     WHERE c.participant_no = p_participant_no AND c.key = p_key AND c.operation = 6;
    SELECT * INTO STRICT mandate FROM ledger.mandate m WHERE m.id = v_subject;
END $$;
