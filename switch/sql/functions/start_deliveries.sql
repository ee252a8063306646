-- start_deliveries(participant_no)
--
-- Purpose     Begins to push a participant's events: those that get their number from now on. What
--             waited for a callback URL it had before is not sent late; what was dead stays so.
-- Parameters  p_participant_no  whose
-- Returns     nothing
-- Locks       the participant's cursor
-- Tables      reads event_feed; inserts or updates delivery_cursor; deletes delivery
CREATE OR REPLACE FUNCTION ledger.start_deliveries(p_participant_no integer) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_last_no constant bigint := coalesce((SELECT last_no FROM ledger.event_feed
                                            WHERE participant_no = p_participant_no), 0);
BEGIN
    INSERT INTO ledger.delivery_cursor AS c (participant_no, passed_no)
    VALUES (p_participant_no, v_last_no)
        ON CONFLICT (participant_no) DO UPDATE SET passed_no = excluded.passed_no;
    DELETE FROM ledger.delivery WHERE participant_no = p_participant_no AND dead_at IS NULL;
END $$;
