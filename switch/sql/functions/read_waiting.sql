-- read_waiting() → (credits, oldest_age_s)
--
-- Purpose     How far the fold lags behind.
-- Returns     credits  how many wait (counted up to 100,000); oldest_age_s  how long ago the oldest
--             of them was decided, in seconds, null for none
-- Locks       none
-- Tables      reads unfolded_credit, payment
CREATE OR REPLACE FUNCTION ledger.read_waiting(
    OUT credits bigint, OUT oldest_age_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT count(*),
           extract(epoch FROM ledger.decision_time() - min(p.created_at))::double precision
      FROM (SELECT shard, transfer_id FROM ledger.unfolded_credit LIMIT 100000) c
      JOIN ledger.payment p ON p.shard = c.shard AND p.id = c.transfer_id
$$;
