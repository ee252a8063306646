-- pass_deliveries(participant_no, up_to, nos[], waits[], results[])
--
-- Purpose     Records that new events were sent: all up to a number were taken, save those named,
--             which wait from now on. What another process has passed meanwhile is left as it is.
-- Parameters  p_participant_no  whose; p_up_to  the last event that was looked at; p_nos  those
--             that were not taken; p_waits  how long until the next attempt, null when there was
--             none, because an earlier event of the payment was not taken; p_results  of the
--             attempt, for a person, or null
-- Returns     nothing
-- Locks       the participant's cursor
-- Tables      reads event_run, payment; updates delivery_cursor; inserts delivery, delivery_run
CREATE OR REPLACE FUNCTION ledger.pass_deliveries(
    p_participant_no integer, p_up_to bigint, p_nos bigint[], p_waits interval[], p_results text[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_passed_no bigint;
    v_now timestamptz;
BEGIN
    SELECT passed_no INTO v_passed_no FROM ledger.delivery_cursor
     WHERE participant_no = p_participant_no FOR UPDATE;
    v_now := ledger.decision_time();
    INSERT INTO ledger.delivery (participant_no, no, payment, kind, subject, happened_at, attempts,
                                 first_tried_at, due_at, result)
    SELECT p_participant_no, e.no, coalesce(y.parent, e.subject), e.kind, e.subject,
           e.happened_at, CASE WHEN t.wait IS NULL THEN 0 ELSE 1 END,
           CASE WHEN t.wait IS NOT NULL THEN v_now END, v_now + t.wait, t.result
      FROM unnest(p_nos, p_waits, p_results) AS t (no, wait, result)
     CROSS JOIN LATERAL ledger.read_events(p_participant_no, t.no - 1, 1) e
      LEFT JOIN LATERAL (SELECT p.* FROM ledger.payment p
                          WHERE p.shard = 0 AND p.id = e.subject OFFSET 0) y ON true
     WHERE t.no > v_passed_no AND e.no = t.no;
    INSERT INTO ledger.delivery_run (participant_no, first_no, last_no, taken_at, left_nos)
    SELECT p_participant_no, v_passed_no + 1, p_up_to, v_now,
           ARRAY(SELECT no FROM unnest(p_nos) AS t (no) WHERE no > v_passed_no)
     WHERE v_passed_no < p_up_to;
    UPDATE ledger.delivery_cursor SET passed_no = p_up_to
     WHERE participant_no = p_participant_no AND passed_no < p_up_to;
    IF cardinality(p_nos) > 0 THEN
        PERFORM ledger.line_up_deliveries(p_participant_no);
    END IF;
END $$;
