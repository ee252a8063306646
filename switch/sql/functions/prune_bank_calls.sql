-- prune_bank_calls(days, limit) → number of calls
--
-- Purpose     Forgets calls of banks that were finished long ago; what they led to stays.
-- Parameters  p_days  how many days they are kept; p_limit  how many at most
-- Returns     how many were removed; p_limit if there may be more
-- Locks       the calls
-- Tables      deletes bank_call
CREATE OR REPLACE FUNCTION ledger.prune_bank_calls(p_days integer, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    DELETE FROM ledger.bank_call
     WHERE (payment, kind) IN (
           SELECT payment, kind FROM ledger.bank_call
            WHERE finished_at < ledger.decision_time() - make_interval(days => p_days)
            ORDER BY finished_at LIMIT p_limit);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
