-- read_payments(participant_no, ids) → rows of payment_answer
--
-- Purpose     Payments as a participant may see them: the one that sent it, and the holders of
--             payer and payee.
-- Parameters  p_participant_no  who asks, null for a decision that is answered to its own sender;
--             p_ids
-- Returns     the visible ones, in id order; without metadata for the payee's side unless it sent
--             them
-- Locks       none
-- Tables      reads payment_answer, account
CREATE OR REPLACE FUNCTION ledger.read_payments(p_participant_no integer, p_ids uuid[])
RETURNS SETOF ledger.payment_answer
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_row ledger.payment_answer;
BEGIN
    FOR v_row IN
        SELECT * FROM ledger.payment_answer WHERE shard = 0 AND id = ANY (p_ids) ORDER BY id
    LOOP
        -- A hold past its time is expired, whether or not that is posted.
        v_row.is_held := v_row.is_held AND v_row.hold_expires_at > ledger.decision_time();
        IF p_participant_no IS NULL OR p_participant_no = v_row.participant_no
           OR EXISTS (SELECT FROM ledger.account WHERE shard = 0 AND id = v_row.payer
                                                   AND participant_no = p_participant_no) THEN
            RETURN NEXT v_row;
        ELSIF EXISTS (SELECT FROM ledger.account WHERE shard = 0 AND id = v_row.payee
                                                   AND participant_no = p_participant_no) THEN
            v_row.metadata := null;
            RETURN NEXT v_row;
        END IF;
    END LOOP;
END $$;
