-- look_up_payments(participant_nos[], ids[]) → rows of ask, payment
--
-- Purpose     Payments as participants may see them: the one that sent it, and the holders of payer
--             and payee. Everybody who asks at the same time is answered at once.
-- Parameters  p_participant_nos  who asks, null for a decision that is answered to its own sender;
--             p_ids  for what, an element each
-- Returns     the visible ones, in id order: ask is the number of the element, from 1; payment is
--             without metadata for the payee's side unless it sent them
-- Locks       none
-- Tables      reads payment_answer, account
CREATE OR REPLACE FUNCTION ledger.look_up_payments(p_participant_nos integer[], p_ids uuid[])
RETURNS TABLE (ask bigint, payment ledger.payment_answer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_asked record;
    v_row   ledger.payment_answer;
BEGIN
    FOR v_asked IN
        SELECT a.ask, a.participant_no, y AS row
          FROM ledger.payment_answer y
          JOIN unnest(p_participant_nos, p_ids)
               WITH ORDINALITY AS a (participant_no, id, ask) ON a.id = y.id
         WHERE y.shard = 0 AND y.id = ANY (p_ids)
         ORDER BY y.id, a.ask
    LOOP
        v_row := v_asked.row;
        -- A hold past its time is expired, whether or not that is posted.
        v_row.is_held := v_row.is_held AND v_row.hold_expires_at > ledger.decision_time();
        IF v_asked.participant_no IS NULL OR v_asked.participant_no = v_row.participant_no
           OR EXISTS (SELECT FROM ledger.account
                       WHERE shard = 0 AND id = v_row.payer
                         AND participant_no = v_asked.participant_no) THEN
            NULL;
        ELSIF EXISTS (SELECT FROM ledger.account
                       WHERE shard = 0 AND id = v_row.payee
                         AND participant_no = v_asked.participant_no) THEN
            v_row.metadata := null;
        ELSE
            CONTINUE;
        END IF;
        ask := v_asked.ask;
        payment := v_row;
        RETURN NEXT;
    END LOOP;
END $$;
