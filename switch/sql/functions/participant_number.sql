-- participant_number(id) → participant_no
--
-- Purpose     Finds a participant for an operator's command.
-- Parameters  p_id  its id
-- Returns     its number; SW001 when there is none
-- Locks       the row, so that it stays as it is until the command has ended
-- Tables      reads participant
CREATE OR REPLACE FUNCTION ledger.participant_number(p_id text) RETURNS integer
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no integer;
BEGIN
    SELECT participant_no INTO v_no FROM ledger.participant WHERE id = p_id FOR NO KEY UPDATE;
    IF v_no IS NULL THEN
        PERFORM ledger.refuse(format('there is no participant "%s"', p_id),
                              'see `switch participant list`, or `switch participant add` it');
    END IF;
    RETURN v_no;
END $$;
