-- settle_deliveries(participant_no, nos[], waits[], results[], give_up) → number of dead events
--
-- Purpose     Records what became of waiting events: taken, to be tried again, or, when they have
--             been tried for long enough, dead. The next event of a payment becomes due.
-- Parameters  p_participant_no  whose; p_nos  which; p_waits  how long until the next attempt, null
--             when it was taken; p_results  of the attempt, for a person, or null; p_give_up  how
--             long after its first attempt an event is dead
-- Returns     how many are dead by this
-- Locks       the participant's cursor, the events
-- Tables      deletes and updates delivery; inserts delivery_taken
CREATE OR REPLACE FUNCTION ledger.settle_deliveries(
    p_participant_no integer, p_nos bigint[], p_waits interval[], p_results text[],
    p_give_up interval)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_now timestamptz;
    v_dead bigint;
BEGIN
    PERFORM FROM ledger.delivery_cursor WHERE participant_no = p_participant_no FOR UPDATE;
    v_now := ledger.decision_time();
    WITH taken AS (
        DELETE FROM ledger.delivery d USING unnest(p_nos, p_waits) AS t (no, wait)
         WHERE d.participant_no = p_participant_no AND d.no = t.no AND t.wait IS NULL
        RETURNING d.no, d.attempts
    )
    INSERT INTO ledger.delivery_taken (participant_no, no, attempts, taken_at)
    SELECT p_participant_no, no, attempts + 1, v_now FROM taken;
    WITH tried AS (
        UPDATE ledger.delivery d
           SET attempts = d.attempts + 1, result = t.result,
               first_tried_at = coalesce(d.first_tried_at, v_now),
               due_at = CASE WHEN coalesce(d.first_tried_at, v_now) + p_give_up > v_now
                             THEN least(v_now + t.wait,
                                        coalesce(d.first_tried_at, v_now) + p_give_up) END,
               dead_at = CASE WHEN d.first_tried_at + p_give_up <= v_now THEN v_now END
          FROM unnest(p_nos, p_waits, p_results) AS t (no, wait, result)
         WHERE d.participant_no = p_participant_no AND d.no = t.no AND d.dead_at IS NULL
        RETURNING d.dead_at
    )
    SELECT count(*) FILTER (WHERE dead_at IS NOT NULL) INTO STRICT v_dead FROM tried;
    PERFORM ledger.line_up_deliveries(p_participant_no);
    RETURN v_dead;
END $$;
