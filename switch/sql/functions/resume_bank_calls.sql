-- resume_bank_calls() → number of calls
--
-- Purpose     Has the calls made again that whoever was making them has not settled: for the one
--             who makes them from now on.
-- Returns     how many
-- Locks       the calls
-- Tables      updates bank_call
CREATE OR REPLACE FUNCTION ledger.resume_bank_calls() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    UPDATE ledger.bank_call SET is_under_way = false WHERE finished_at IS NULL AND is_under_way;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
