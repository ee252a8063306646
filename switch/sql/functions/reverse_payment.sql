-- reverse_payment(payment_id, payment, reason) → outcome
--
-- Purpose     Reverses a mistake: a new transfer of all that was captured and not refunded, from
--             payee to payer, which may be declined. It counts as a refund.
-- Parameters  p_payment_id  the id that the reversal gets; p_payment  the payment to reverse;
--             p_reason  for the record
-- Returns     ledger.outcome.name, for a repeat with the same id the stored one; SW001 when there
--             is no such payment, no money moved or all of it went back already, a hold is still
--             open, a bank holds the money of one side, or the id was spent on something else
-- Locks       as post_payment; both accounts, then the payment's state
-- Tables      as post_payment; reads payment; inserts and updates payment_state
CREATE OR REPLACE FUNCTION ledger.reverse_payment(p_payment_id uuid, p_payment uuid, p_reason text)
    RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_payment ledger.payment;
    v_state   ledger.payment_state;
    v_amount  bigint;
    v_outcome smallint;
BEGIN
    SELECT * INTO v_payment FROM ledger.payment WHERE shard = 0 AND id = p_payment;
    IF v_payment.id IS NULL THEN
        PERFORM ledger.refuse(format('there is no payment %s', p_payment),
                              'give the id from its answer');
    ELSIF v_payment.outcome <> 0 OR v_payment.type > 100 OR v_payment.parent IS NOT NULL THEN
        PERFORM ledger.refuse('only an approved payment between participants can be reversed',
                              'a declined one moved nothing, a step is reversed with its payment; '
                              'undo issues with `switch redeem`');
    ELSIF EXISTS (SELECT FROM ledger.account WHERE shard = 0 AND kind = 'external'
                     AND id IN (v_payment.payer, v_payment.payee)) THEN
        PERFORM ledger.refuse('a bank holds the money of one side',
                              'ask the payee''s participant to refund the payment');
    END IF;
    PERFORM FROM ledger.account
      WHERE shard = 0 AND id IN (v_payment.payer, v_payment.payee) ORDER BY id FOR NO KEY UPDATE;
    SELECT amount INTO v_amount FROM ledger.payment WHERE shard = 0 AND id = p_payment_id;
    IF NOT FOUND THEN
        v_state := ledger.lock_state(0::smallint, v_payment);
        v_amount := v_state.captured - v_state.refunded - v_state.refunding;
        IF v_state.captured + v_state.voided + v_state.expired < v_state.amount
           AND v_state.hold_expires_at > ledger.decision_time() THEN
            PERFORM ledger.refuse('the hold is still open',
                                  'wait until it is captured, voided or expired');
        ELSIF v_amount = 0 THEN
            PERFORM ledger.refuse(format('nothing of payment %s is left to reverse', p_payment),
                                  'it was reversed, refunded or never captured');
        END IF;
    END IF;
    v_outcome := ledger.post_payment(p_payment_id, 103::smallint, v_payment.payee, v_payment.payer,
                                     v_amount, p_reason, p_payment);
    IF v_outcome = 0 AND v_state.payment IS NOT NULL THEN
        UPDATE ledger.payment_state SET refunded = refunded + v_amount
         WHERE shard = 0 AND payment = p_payment;
    END IF;
    RETURN (SELECT name FROM ledger.outcome WHERE code = v_outcome);
END $$;
