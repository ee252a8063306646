-- set_participant_status(id, status)
--
-- Purpose     Suspends a participant (it may still read, repeat and bar) or resumes it.
-- Parameters  p_id; p_status  active or suspended
-- Returns     nothing; SW001 when there is no such participant, or it is the switch itself
-- Locks       the participant, participants_version
-- Tables      updates participant
CREATE OR REPLACE FUNCTION ledger.set_participant_status(p_id text, p_status text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no constant integer := ledger.participant_number(p_id);
BEGIN
    IF v_no = 0 THEN
        PERFORM ledger.refuse('"switch" is the switch itself, no participant to suspend or resume',
                              'name one of `switch participant list`; `switch key rotate`'
                              ' changes the keys of the switch');
    END IF;
    UPDATE ledger.participant SET status = p_status WHERE participant_no = v_no;
    PERFORM ledger.touch_participants();
END $$;
