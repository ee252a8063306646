-- find_claim(participant_no, key) → (operation, subject)
--
-- Purpose     Whether a key is spent, and on what.
-- Parameters  p_participant_no, p_key
-- Returns     operation  key_claim.operation, null when the key is free; subject  the id of the
--             payment, the account or the key operation
-- Locks       none
-- Tables      reads key_claim
CREATE OR REPLACE FUNCTION ledger.find_claim(
    p_participant_no integer, p_key text,
    OUT operation smallint, OUT subject uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT operation, subject FROM ledger.key_claim WHERE participant_no = p_participant_no
           AND key = p_key
$$;
