-- begin_refund(step, source, taker)
--
-- Purpose     Reserves a refund or reversal whose payee's money a bank holds, and has the bank
--             told: it is decided when the bank accepts or refuses it.
-- Parameters  p_step  the step as it would be recorded; p_source  the account that pays it,
--             locked by this transaction; p_taker  the position of the payee's bank
-- Returns     nothing
-- Locks       none
-- Tables      updates account, payment_state; inserts pending_payment, bank_call
CREATE OR REPLACE FUNCTION ledger.begin_refund(
    p_step ledger.payment, p_source uuid, p_taker uuid) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE ledger.account SET held = held + p_step.amount
     WHERE shard = p_step.shard AND id = p_source;
    UPDATE ledger.payment_state SET refunding = refunding + p_step.amount
     WHERE shard = p_step.shard AND payment = p_step.parent;
    INSERT INTO ledger.pending_payment
        (created_at, amount, participant_no, key_no, queue_us, work_us, shard, type, stage, id,
         payer, payee, parent, keeper, taker, currency, key, description, traceparent, span_id)
    VALUES (p_step.created_at, p_step.amount, p_step.participant_no, p_step.key_no,
            p_step.queue_us, p_step.work_us, p_step.shard, p_step.type, 2, p_step.id,
            p_step.payer, p_step.payee, p_step.parent, p_source, p_taker, p_step.currency,
            p_step.key, p_step.description, p_step.traceparent, p_step.span_id);
    INSERT INTO ledger.bank_call (payment, kind, participant_no, account, created_at, due_at)
    SELECT p_step.id, 2, a.participant_no, a.id, p_step.created_at, p_step.created_at
      FROM ledger.account a WHERE a.shard = p_step.shard AND a.id = p_step.payee;
END $$;
