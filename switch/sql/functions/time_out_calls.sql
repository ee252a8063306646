-- time_out_calls(limit) → number of payments
--
-- Purpose     Declines payments whose bank did not answer in time. What it may have approved is
--             reversed there, however late that answer comes.
-- Parameters  p_limit  how many at most
-- Returns     how many were declined
-- Locks       as lock_pending
-- Tables      updates bank_call; as finish_pending
CREATE OR REPLACE FUNCTION ledger.time_out_calls(p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_pending ledger.pending_payment;
    v_count   bigint := 0;
    v_late    uuid[];
    v_now     constant timestamptz := ledger.decision_time();
BEGIN
    v_late := ARRAY(SELECT id FROM ledger.pending_payment
                     WHERE stage = 1 AND deadline_at <= v_now
                     ORDER BY deadline_at LIMIT p_limit FOR UPDATE SKIP LOCKED);
    IF v_late = '{}' THEN
        RETURN 0;
    END IF;
    FOR v_pending IN SELECT * FROM ledger.lock_pending(v_late) LOOP
        UPDATE ledger.bank_call
           SET finished_at = ledger.decision_time(), decision = 'timeout'
         WHERE payment = v_pending.id AND kind = 1;
        PERFORM ledger.finish_pending(v_pending, 160::smallint, ledger.decision_time());
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END $$;
