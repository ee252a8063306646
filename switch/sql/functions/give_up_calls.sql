-- give_up_calls(bank, payment, reason) → rows
--
-- Purpose     Ends what a bank does not answer any more about one payment: its credit, so that the
--             payment is declined and what was reserved for it goes back; its reversal, which is
--             not sent any more. What the bank has done by then is not known here. Of this and an
--             answer of the bank at the same moment one counts, and the other changes nothing.
-- Parameters  p_bank  its id; p_payment  the payment, refund or reversal; p_reason  for the record
-- Returns     one row a credit or reversal that the bank was to be told of it, whoever ended it,
--             now or earlier: kind and decision of bank_call, outcome  what was decided of the
--             payment; SW001 when there is no such bank, it was told of nothing, or it is being
--             asked for an authorization, which ends by itself
-- Locks       the bank's row; as lock_pending; the calls
-- Tables      reads and updates bank_call; reads payment, outcome; as finish_pending
CREATE OR REPLACE FUNCTION ledger.give_up_calls(p_bank text, p_payment uuid, p_reason text)
RETURNS TABLE (kind smallint, decision text, outcome text)
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no      constant integer := ledger.participant_number(p_bank);
    v_pending ledger.pending_payment;
    v_at      timestamptz;
BEGIN
    SELECT * INTO v_pending FROM ledger.lock_pending(ARRAY[p_payment]);
    IF EXISTS (SELECT FROM ledger.bank_call b
                WHERE b.payment = p_payment AND b.kind = 1 AND b.participant_no = v_no
                  AND b.finished_at IS NULL) THEN
        PERFORM ledger.refuse(format('%s is being asked to authorize payment %s', p_bank,
                                     p_payment),
                              'it is declined at its deadline; give up its reversal then');
    END IF;
    v_at := ledger.decision_time();
    FOR v_kind IN 2 .. 3 LOOP  -- declining the payment may make the reversal
        UPDATE ledger.bank_call b
           SET finished_at = v_at, decision = 'given_up',
               result = concat_ws('; before: ', p_reason, b.result)
         WHERE b.payment = p_payment AND b.kind = v_kind AND b.participant_no = v_no
           AND b.finished_at IS NULL;
        IF FOUND AND v_kind = 2 THEN
            PERFORM ledger.finish_pending(v_pending, 140::smallint, v_at);
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT b.kind, b.decision, o.name
          FROM ledger.bank_call b
          LEFT JOIN ledger.payment y ON y.shard = 0 AND y.id = b.payment
          LEFT JOIN ledger.outcome o ON o.code = y.outcome
         WHERE b.payment = p_payment AND b.participant_no = v_no AND b.kind <> 1
         ORDER BY b.kind;
    IF NOT FOUND THEN
        PERFORM ledger.refuse(format('%s was to be told of no payment %s', p_bank, p_payment),
                              '`switch bank calls` lists what it has not answered');
    END IF;
END $$;
