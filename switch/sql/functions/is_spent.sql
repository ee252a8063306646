-- is_spent(participant_no, key) → boolean
--
-- Purpose     Whether a message is a repeat, or its key was spent on another: then what the message
--             needed is not asked again.
-- Parameters  p_participant_no, p_key
-- Returns     true or false
-- Locks       none
-- Tables      reads key_claim
CREATE OR REPLACE FUNCTION ledger.is_spent(p_participant_no integer, p_key text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM ledger.key_claim
                    WHERE participant_no = p_participant_no AND key = p_key)
$$;
