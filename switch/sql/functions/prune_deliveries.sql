-- prune_deliveries(days, limit) → number of events
--
-- Purpose     Forgets dead events that were kept long enough.
-- Parameters  p_days  how many days after its last attempt an event is kept; p_limit  how many at
--             most
-- Returns     how many were removed; p_limit if there may be more
-- Locks       the events
-- Tables      deletes delivery
CREATE OR REPLACE FUNCTION ledger.prune_deliveries(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH old AS (
        DELETE FROM ledger.delivery d
         USING (SELECT participant_no, no FROM ledger.delivery
                 WHERE dead_at < ledger.decision_time() - make_interval(days => p_days)
                 ORDER BY dead_at LIMIT p_limit FOR UPDATE SKIP LOCKED) o
         WHERE d.participant_no = o.participant_no AND d.no = o.no
        RETURNING 1
    )
    SELECT count(*) INTO STRICT v_count FROM old;
    RETURN v_count;
END $$;
