-- prune_events(days, limit) → number of runs
--
-- Purpose     Forgets events that were kept long enough; what they told of stays in the ledger.
-- Parameters  p_days  how many days an event is kept; p_limit  how many runs at most
-- Returns     how many runs were removed; p_limit if there may be more
-- Locks       the runs, their feeds
-- Tables      deletes event_run; updates event_feed
CREATE OR REPLACE FUNCTION ledger.prune_events(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_count bigint;
    v_old   constant timestamptz := ledger.decision_time() - make_interval(days => p_days);
BEGIN
    PERFORM FROM ledger.event_sequencer FOR UPDATE;
    WITH old AS (
        DELETE FROM ledger.event_run r
         USING (SELECT participant_no, first_no FROM ledger.event_run
                 WHERE sequenced_at < v_old
                 ORDER BY sequenced_at, first_no LIMIT p_limit) o
         WHERE r.participant_no = o.participant_no AND r.first_no = o.first_no
        RETURNING r.participant_no, r.first_no + cardinality(r.subjects) - 1 AS last_no
    ), marked AS (
        UPDATE ledger.event_feed f SET pruned_no = greatest(f.pruned_no, o.last_no)
          FROM (SELECT participant_no, max(last_no) AS last_no FROM old GROUP BY 1) o
         WHERE f.participant_no = o.participant_no
    )
    SELECT count(*) INTO STRICT v_count FROM old;
    RETURN v_count;
END $$;
