-- settle_bank_calls(payments[], kinds[], decisions[], results[], waits[]) → number of decisions
--
-- Purpose     Records what became of attempts to call banks, and decides the payments that are
--             thereby ready.
-- Parameters  p_payments, p_kinds  which calls; p_decisions  as bank_call.decision, null where it
--             is to be tried again; p_results  for a person; p_waits  until then
-- Returns     how many payments were decided. A call that was finished meanwhile stays as it is;
--             what the bank decides of one that was given up is added to its result.
-- Locks       as lock_pending; the calls
-- Tables      updates bank_call, pending_payment; inserts bank_call; as finish_pending
CREATE OR REPLACE FUNCTION ledger.settle_bank_calls(
    p_payments uuid[], p_kinds smallint[], p_decisions text[], p_results text[],
    p_waits interval[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_call    record;
    v_pending ledger.pending_payment;
    v_payee   ledger.account;
    v_at      timestamptz;
    v_outcome smallint;
    v_count   bigint := 0;
    v_waiting constant ledger.pending_payment[] :=
        ARRAY(SELECT w FROM ledger.lock_pending(p_payments) w);
BEGIN
    FOR v_call IN SELECT * FROM unnest(p_payments, p_kinds, p_decisions, p_results, p_waits)
                                AS c (payment, kind, decision, result, wait)
                   ORDER BY c.payment, c.kind LOOP
        v_at := ledger.decision_time();
        SELECT * INTO v_pending FROM unnest(v_waiting) w WHERE w.id = v_call.payment;
        IF v_call.decision = 'approved' AND v_at >= v_pending.deadline_at THEN
            v_call.decision := 'timeout';
        END IF;
        UPDATE ledger.bank_call b
           SET attempts = b.attempts + 1, tried_at = v_at, is_under_way = false,
               result = v_call.result, due_at = coalesce(v_at + v_call.wait, b.due_at),
               decision = v_call.decision,
               finished_at = CASE WHEN v_call.decision IS NOT NULL THEN v_at END
         WHERE b.payment = v_call.payment AND b.kind = v_call.kind AND b.finished_at IS NULL;
        IF NOT FOUND THEN
            UPDATE ledger.bank_call b
               SET attempts = b.attempts + 1, tried_at = v_at,
                   result = format('%s; too late: %s', b.result, v_call.decision)
             WHERE b.payment = v_call.payment AND b.kind = v_call.kind AND b.decision = 'given_up'
               AND v_call.decision IS NOT NULL
               AND (b.tried_at IS NULL OR b.tried_at <= b.finished_at);  -- it is said once
            CONTINUE;
        END IF;
        CONTINUE WHEN v_pending.id IS NULL OR v_call.decision IS NULL OR v_call.kind = 3;
        v_outcome := CASE v_call.decision WHEN 'approved' THEN 0 WHEN 'accepted' THEN 0
                         WHEN 'declined' THEN 150 WHEN 'refused' THEN 150
                         WHEN 'unavailable' THEN 140 ELSE 160 END;
        SELECT * INTO STRICT v_payee FROM ledger.account WHERE shard = 0 AND id = v_pending.payee;
        IF v_call.decision = 'approved' AND v_payee.kind = 'external' THEN
            UPDATE ledger.pending_payment SET stage = 2 WHERE shard = 0 AND id = v_pending.id;
            INSERT INTO ledger.bank_call (payment, kind, participant_no, account, created_at,
                                          due_at)
            VALUES (v_pending.id, 2, v_payee.participant_no, v_payee.id, v_at, v_at);
        ELSE
            PERFORM ledger.finish_pending(v_pending, v_outcome, v_at);
            v_count := v_count + 1;
        END IF;
    END LOOP;
    RETURN v_count;
END $$;
