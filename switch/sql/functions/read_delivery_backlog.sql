-- read_delivery_backlog() → one row
--
-- Purpose  What is still to be pushed, for the metrics and `switch status`.
-- Returns  waiting (events of participants with a callback URL that were not taken yet), dead
-- Locks    none
-- Tables   reads participant, delivery_cursor, event_feed, delivery
CREATE OR REPLACE FUNCTION ledger.read_delivery_backlog(OUT waiting bigint, OUT dead bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT coalesce(sum(greatest(f.last_no - greatest(c.passed_no, f.pruned_no), 0)
                        + (SELECT count(*) FROM ledger.delivery d
                            WHERE d.participant_no = c.participant_no AND d.dead_at IS NULL)),
                    0)::bigint,
           (SELECT count(*) FROM ledger.delivery WHERE dead_at IS NOT NULL)
      FROM ledger.delivery_cursor c
      JOIN ledger.participant p USING (participant_no)
      JOIN ledger.event_feed f USING (participant_no)
     WHERE p.callback_url IS NOT NULL
$$;
