-- prune_bank_calls(days, limit) → number of calls
--
-- Purpose     Forgets calls of banks about payments that came to their end long ago; what they led
--             to stays, and so does what the operator gave up.
-- Parameters  p_days  how many days they are kept; p_limit  how many at most
-- Returns     how many were removed; p_limit if there may be more
-- Locks       the calls
-- Tables      deletes bank_call; reads pending_payment
CREATE OR REPLACE FUNCTION ledger.prune_bank_calls(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_count bigint;
    v_old   constant timestamptz := ledger.decision_time() - make_interval(days => p_days);
BEGIN
    DELETE FROM ledger.bank_call
     WHERE (payment, kind) IN (
           SELECT b.payment, b.kind FROM ledger.bank_call b
            WHERE b.finished_at < v_old AND b.decision <> 'given_up'
              AND NOT EXISTS (SELECT FROM ledger.pending_payment w
                               WHERE w.shard = 0 AND w.id = b.payment)
              AND NOT EXISTS (SELECT FROM ledger.bank_call open
                               WHERE open.payment = b.payment AND open.finished_at IS NULL)
            ORDER BY b.finished_at LIMIT p_limit);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
