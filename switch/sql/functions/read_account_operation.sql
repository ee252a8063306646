-- read_account_operation(participant_no, key) → account_operation
--
-- Purpose     What a message about an account was answered.
-- Parameters  p_participant_no, p_key  whose message, its idempotency key
-- Returns     the stored answer, null when the key was spent on nothing of the kind
-- Locks       none
-- Tables      reads account_operation
CREATE OR REPLACE FUNCTION ledger.read_account_operation(p_participant_no integer, p_key text)
RETURNS ledger.account_operation
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT * FROM ledger.account_operation WHERE participant_no = p_participant_no AND key = p_key
$$;
