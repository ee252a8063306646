-- reverse_payment(payment_id, payment, reason) → outcome
--
-- Purpose     Reverses a mistake: a new transfer of all that was captured and not refunded, from
--             payee to payer, which may be declined. It counts as a refund. The bank of an external
--             payer is told, and decides it; nothing is taken from an external payee.
-- Parameters  p_payment_id  the id that the reversal gets; p_payment  the payment to reverse;
--             p_reason  for the record
-- Returns     ledger.outcome.name, or `pending` while it waits for a bank; for a repeat with the
--             same id what is known of it; SW001 when there is no such payment, it or a refund of
--             it waits for a bank, no money moved or all of it went back already, a hold is still
--             open, a bank holds the money of the payee, or the id was spent on something else
-- Locks       as post_payment; both accounts, then the payment's state
-- Tables      as post_payment and begin_reversal; reads payment, pending_payment; inserts and
--             updates payment_state
CREATE OR REPLACE FUNCTION ledger.reverse_payment(p_payment_id uuid, p_payment uuid, p_reason text)
    RETURNS text
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_payment ledger.payment;
    v_state   ledger.payment_state;
    v_amount  bigint;
    v_outcome smallint;
    v_at_bank boolean;  -- the payer's money is
BEGIN
    SELECT * INTO v_payment FROM ledger.payment WHERE shard = 0 AND id = p_payment;
    IF EXISTS (SELECT FROM ledger.pending_payment WHERE shard = 0 AND id = p_payment) THEN
        PERFORM ledger.refuse(format('payment %s waits for a bank', p_payment),
                              'reverse it when it is decided, or see `switch bank give-up --help`');
    ELSIF v_payment.id IS NULL THEN
        PERFORM ledger.refuse(format('there is no payment %s', p_payment),
                              'give the id from its answer');
    ELSIF v_payment.outcome <> 0 OR v_payment.type > 100 OR v_payment.parent IS NOT NULL THEN
        PERFORM ledger.refuse('only an approved payment between participants can be reversed',
                              'a declined one moved nothing, a step is reversed with its payment; '
                              'undo issues with `switch redeem`');
    ELSIF EXISTS (SELECT FROM ledger.account WHERE shard = 0 AND kind = 'external'
                     AND id = v_payment.payee) THEN
        PERFORM ledger.refuse('a bank holds the payee''s money, and it alone can take it back',
                              'ask the payee''s participant to refund the payment');
    END IF;
    v_at_bank := EXISTS (SELECT FROM ledger.account WHERE shard = 0 AND kind = 'external'
                            AND id = v_payment.payer);
    PERFORM FROM ledger.account
      WHERE shard = 0 AND id IN (v_payment.payer, v_payment.payee) ORDER BY id FOR NO KEY UPDATE;
    SELECT amount INTO v_amount FROM ledger.payment WHERE shard = 0 AND id = p_payment_id
     UNION ALL
    SELECT amount FROM ledger.pending_payment WHERE shard = 0 AND id = p_payment_id;
    IF NOT FOUND THEN
        v_state := ledger.lock_state(0::smallint, v_payment);
        v_amount := v_state.captured - v_state.refunded;
        IF v_state.captured + v_state.voided + v_state.expired < v_state.amount
           AND v_state.hold_expires_at > ledger.decision_time() THEN
            PERFORM ledger.refuse('the hold is still open',
                                  'wait until it is captured, voided or expired');
        ELSIF v_state.refunding > 0 THEN
            PERFORM ledger.refuse('a refund or reversal of it waits for a bank',
                                  'see `switch trace`; reverse what is left when it is decided');
        ELSIF v_amount = 0 THEN
            PERFORM ledger.refuse(format('nothing of payment %s is left to reverse', p_payment),
                                  'it was reversed, refunded or never captured');
        END IF;
    END IF;
    IF v_at_bank THEN
        v_outcome := ledger.begin_reversal(p_payment_id, v_payment, v_amount, p_reason);
        RETURN coalesce((SELECT name FROM ledger.outcome WHERE code = v_outcome), 'pending');
    END IF;
    v_outcome := ledger.post_payment(p_payment_id, 103::smallint, v_payment.payee, v_payment.payer,
                                     v_amount, p_reason, p_payment);
    IF v_outcome = 0 AND v_state.payment IS NOT NULL THEN
        UPDATE ledger.payment_state SET refunded = refunded + v_amount
         WHERE shard = 0 AND payment = p_payment;
    END IF;
    RETURN (SELECT name FROM ledger.outcome WHERE code = v_outcome);
END $$;
