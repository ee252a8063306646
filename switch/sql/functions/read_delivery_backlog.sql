-- read_delivery_backlog() → rows
--
-- Purpose  What is still to be pushed, for the metrics and `switch status`.
-- Returns  one row a participant that has, or had, a callback URL: participant_no, participant,
--          waiting (events that were not taken yet, 0 without a URL), dead
-- Locks    none
-- Tables   reads participant, delivery_cursor, event_feed, delivery
CREATE OR REPLACE FUNCTION ledger.read_delivery_backlog()
RETURNS TABLE (participant_no integer, participant text, waiting bigint, dead bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT p.participant_no, p.id,
           CASE WHEN p.callback_url IS NULL THEN 0
                ELSE coalesce(greatest(f.last_no - greatest(c.passed_no, f.pruned_no), 0), 0)
                     + (SELECT count(*) FROM ledger.delivery d
                         WHERE d.participant_no = c.participant_no AND d.dead_at IS NULL) END,
           coalesce(g.dead, 0)
      FROM ledger.delivery_cursor c
      JOIN ledger.participant p USING (participant_no)
      LEFT JOIN ledger.event_feed f USING (participant_no)
      LEFT JOIN (SELECT d.participant_no, count(*) AS dead
                   FROM ledger.delivery d
                  WHERE d.dead_at IS NOT NULL
                  GROUP BY d.participant_no) g USING (participant_no)
$$;
