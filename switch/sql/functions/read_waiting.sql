-- read_waiting() → (credits, oldest_age_s)
--
-- Purpose     How far the fold lags behind.
-- Returns     credits  how many wait (counted up to 100,000); oldest_age_s  how long ago the oldest
--             of them, by its id, was decided, in seconds, null for none
-- Locks       none
-- Tables      reads unfolded_credit, payment
CREATE OR REPLACE FUNCTION ledger.read_waiting(
    OUT credits bigint, OUT oldest_age_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT c.credits,
           extract(epoch FROM ledger.decision_time() - p.created_at)::double precision
      FROM (SELECT count(*) AS credits
              FROM (SELECT FROM ledger.unfolded_credit LIMIT 100000) counted) c
      LEFT JOIN LATERAL (
           SELECT y.created_at
             FROM (SELECT shard, transfer_id
                     FROM (SELECT shard, transfer_id FROM ledger.unfolded_credit LIMIT 100000) u
                    ORDER BY transfer_id LIMIT 1) o
             JOIN ledger.payment y ON y.shard = o.shard AND y.id = o.transfer_id) p ON true
$$;
