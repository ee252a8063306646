-- line_up_deliveries(participant_no)
--
-- Purpose     Lets the earliest waiting event of each payment be due, and only that: a step of
--             whoever changes a participant's waiting events, at its end.
-- Parameters  p_participant_no  whose; the caller holds the cursor
-- Returns     nothing
-- Locks       the events that change
-- Tables      updates delivery
CREATE OR REPLACE FUNCTION ledger.line_up_deliveries(p_participant_no integer) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    UPDATE ledger.delivery d
       SET due_at = CASE WHEN w.is_first THEN ledger.decision_time() END
      FROM (SELECT no, row_number() OVER (PARTITION BY payment ORDER BY no) = 1 AS is_first
              FROM ledger.delivery
             WHERE participant_no = p_participant_no AND dead_at IS NULL) w
     WHERE d.participant_no = p_participant_no AND d.no = w.no
       AND w.is_first = (d.due_at IS NULL);
END $$;
