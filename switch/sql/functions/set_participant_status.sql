-- set_participant_status(id, status)
--
-- Purpose     Suspends a participant (it may still read, repeat and bar) or resumes it.
-- Parameters  p_id; p_status  active or suspended
-- Returns     nothing; SW001 when there is no such participant
-- Locks       the participant, participants_version
-- Tables      updates participant
CREATE OR REPLACE FUNCTION ledger.set_participant_status(p_id text, p_status text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    UPDATE ledger.participant SET status = p_status
        WHERE participant_no = ledger.participant_number(p_id);
    PERFORM ledger.touch_participants();
END $$;
