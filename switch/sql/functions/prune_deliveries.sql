-- prune_deliveries(days, limit) → number of rows
--
-- Purpose     Forgets dead events that were kept long enough, and of those that were taken that
--             they were, once their feed has forgotten them.
-- Parameters  p_days  how many days after its last attempt an event is kept; p_limit  how many at
--             most, of each kind
-- Returns     how many of one kind were removed at most; p_limit if there may be more
-- Locks       the events
-- Tables      reads event_feed; deletes delivery, delivery_run, delivery_taken
CREATE OR REPLACE FUNCTION ledger.prune_deliveries(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_old  constant timestamptz := ledger.decision_time() - make_interval(days => p_days);
    v_dead bigint;
    v_runs bigint;
    v_taken bigint;
BEGIN
    WITH old AS (
        DELETE FROM ledger.delivery d
         USING (SELECT participant_no, no FROM ledger.delivery
                 WHERE dead_at < v_old
                 ORDER BY dead_at LIMIT p_limit FOR UPDATE SKIP LOCKED) o
         WHERE d.participant_no = o.participant_no AND d.no = o.no
        RETURNING 1
    )
    SELECT count(*) INTO STRICT v_dead FROM old;
    DELETE FROM ledger.delivery_run r
     USING (SELECT r.participant_no, r.first_no FROM ledger.event_feed f
             CROSS JOIN LATERAL (SELECT * FROM ledger.delivery_run r
                                  WHERE r.participant_no = f.participant_no
                                    AND r.first_no <= f.pruned_no AND r.last_no <= f.pruned_no
                                  ORDER BY r.first_no LIMIT p_limit) r
             LIMIT p_limit) o
     WHERE r.participant_no = o.participant_no AND r.first_no = o.first_no;
    GET DIAGNOSTICS v_runs = ROW_COUNT;
    DELETE FROM ledger.delivery_taken t
     USING (SELECT t.participant_no, t.no FROM ledger.event_feed f
             CROSS JOIN LATERAL (SELECT * FROM ledger.delivery_taken t
                                  WHERE t.participant_no = f.participant_no
                                    AND t.no <= f.pruned_no
                                  ORDER BY t.no LIMIT p_limit) t
             LIMIT p_limit) o
     WHERE t.participant_no = o.participant_no AND t.no = o.no;
    GET DIAGNOSTICS v_taken = ROW_COUNT;
    RETURN greatest(v_dead, v_runs, v_taken);
END $$;
