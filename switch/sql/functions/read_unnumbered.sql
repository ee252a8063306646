-- read_unnumbered() → seconds
--
-- Purpose  How far the sequencer of events lags behind.
-- Returns  how long ago the oldest event without a number happened, among at most 100,000 rows of
--          the outbox, in seconds; null when all have theirs
-- Locks    none
-- Tables   reads outbox
CREATE OR REPLACE FUNCTION ledger.read_unnumbered(OUT oldest_age_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT extract(epoch FROM ledger.decision_time() - min(o.happened_at))::double precision
      FROM (SELECT happened_at FROM ledger.outbox LIMIT 100000) o
$$;
