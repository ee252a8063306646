-- participant_name(participant_no) → id
--
-- Purpose     What a participant is called on the wire.
-- Parameters  p_participant_no  its number
-- Returns     its id
-- Locks       none
-- Tables      reads participant
CREATE OR REPLACE FUNCTION ledger.participant_name(p_participant_no integer) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT id FROM ledger.participant WHERE participant_no = p_participant_no
$$;
