-- reverse_payment(payment_id, payment, reason) → outcome
--
-- Purpose     Reverses a mistake: a new transfer of the whole amount from payee to payer, which may
--             be declined.
-- Parameters  p_payment_id  the id that the reversal gets; p_payment  the payment to reverse;
--             p_reason  for the record
-- Returns     ledger.outcome.name, for a repeat with the same id the stored one; SW001 when there
--             is no such payment, no money moved, it is reversed already, or the id was spent on
--             something else
-- Locks       as post_payment; both accounts before looking for another reversal
-- Tables      as post_payment; reads payment, payment_type
CREATE OR REPLACE FUNCTION ledger.reverse_payment(p_payment_id uuid, p_payment uuid, p_reason text)
    RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_payment ledger.payment;
    v_outcome smallint;
BEGIN
    SELECT * INTO v_payment FROM ledger.payment WHERE shard = 0 AND id = p_payment;
    IF v_payment.id IS NULL THEN
        PERFORM ledger.refuse(format('there is no payment %s', p_payment),
                              'give the id from its answer');
    ELSIF v_payment.outcome <> 0 OR v_payment.type > 100 THEN
        PERFORM ledger.refuse('only an approved payment between participants can be reversed',
                              'a declined one moved nothing; undo issues with `switch redeem`');
    END IF;
    PERFORM FROM ledger.account
      WHERE shard = 0 AND id IN (v_payment.payer, v_payment.payee) ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM ledger.payment WHERE shard = 0 AND parent = p_payment AND type = 103
               AND outcome = 0 AND id <> p_payment_id) THEN
        PERFORM ledger.refuse(format('payment %s is reversed already', p_payment),
                              'nothing is left to do');
    END IF;
    v_outcome := ledger.post_payment(p_payment_id, 103::smallint, v_payment.payee, v_payment.payer,
                                     v_payment.amount,
                                     p_reason, p_payment);
    RETURN (SELECT name FROM ledger.outcome WHERE code = v_outcome);
END $$;
