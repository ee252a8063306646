-- finish_pending(pending, outcome, at) → outcome
--
-- Purpose     Decides a payment or refund that waited for a bank: moves what was reserved, or keeps
--             it as a hold, or releases it. What the payer's bank may have approved for a payment
--             that is declined is reversed there.
-- Parameters  p_pending  as it was read, locked by this transaction, with its accounts; p_outcome
--             ledger.outcome.code; p_at  the time of the decision, taken since they are locked
-- Returns     the outcome: a payee that may not be credited any more makes it another; SW003 when
--             more credits wait for the payee than one call adds up
-- Locks       a payee whose balance is capped; of a refund the state of its payment
-- Tables      deletes pending_payment; inserts payment, payment_state, leg, unfolded_credit, split,
--             outbox, bank_call; updates account, payment_state; reads account, bank_call
CREATE OR REPLACE FUNCTION ledger.finish_pending(
    p_pending ledger.pending_payment, p_outcome smallint, p_at timestamptz) RETURNS smallint
LANGUAGE plpgsql
AS $$
DECLARE
    v_payee   ledger.account;
    v_keeper  ledger.account;
    v_outcome smallint := p_outcome;
    v_is_hold constant boolean := p_pending.hold_seconds IS NOT NULL;
    v_moved   bigint := 0;
    v_freed   bigint := 0;
    v_fees    record;  -- what is kept of it
    v_net     bigint;  -- what is left to whoever is paid
BEGIN
    SELECT * INTO STRICT v_payee FROM ledger.account
     WHERE shard = p_pending.shard AND id = p_pending.payee;
    SELECT * INTO STRICT v_fees
      FROM ledger.find_fees(p_pending.shard, ARRAY[p_pending.type], ARRAY[p_pending.payee],
                            ARRAY[p_pending.amount]);
    v_net := v_fees.nets[1];
    IF v_outcome = 0 THEN
        v_outcome := CASE
            WHEN v_payee.kind = 'external' THEN 0  -- it has accepted
            WHEN v_payee.lifecycle <> 'open' THEN 90
            WHEN NOT v_is_hold
                AND ledger.is_over_limit(p_pending.shard, v_payee, v_net, p_at) THEN 120
            ELSE 0
        END;
    END IF;
    IF v_outcome = 0 AND NOT v_is_hold THEN
        v_moved := p_pending.amount;
    END IF;
    IF p_pending.keeper IS NOT NULL AND (v_outcome <> 0 OR NOT v_is_hold) THEN
        v_freed := p_pending.amount;
    END IF;

    UPDATE ledger.account a
       SET held = a.held - v_freed, balance = a.balance - v_moved,
           posting_count = a.posting_count + CASE WHEN v_moved > 0 THEN 1 ELSE 0 END,
           spent_today = a.spent_today
               - CASE WHEN v_outcome <> 0 AND p_pending.is_counted
                       AND a.spent_day = ledger.local_day(p_pending.created_at)
                      THEN p_pending.amount ELSE 0 END,
           spent_this_year = a.spent_this_year
               - CASE WHEN v_outcome <> 0 AND p_pending.is_counted
                       AND extract(year FROM a.spent_day) = ledger.local_year(p_pending.created_at)
                      THEN p_pending.amount ELSE 0 END
     WHERE a.shard = p_pending.shard AND a.id = p_pending.keeper AND v_freed > 0
    RETURNING * INTO v_keeper;
    IF p_pending.parent IS NOT NULL THEN
        UPDATE ledger.payment_state s
           SET refunding = s.refunding - p_pending.amount, refunded = s.refunded + v_moved
         WHERE s.shard = p_pending.shard AND s.payment = p_pending.parent;
    END IF;
    INSERT INTO ledger.payment
        (created_at, decided_at, amount, split, expires_at, hold_expires_at, participant_no,
         hold_seconds,
         key_no, queue_us, work_us, shard, type, outcome, has_leg, id, payer, payee, parent,
         currency, key, reference, payee_reference, description, metadata, traceparent, span_id)
    SELECT p.created_at, p_at, p.amount,
           CASE WHEN v_moved > 0 THEN nullif(p.amount - v_net, 0) END, p.expires_at,
           CASE WHEN v_is_hold THEN coalesce(p.hold_expires_at,
                                             p_at + make_interval(secs => p.hold_seconds)) END,
           p.participant_no, p.hold_seconds, p.key_no, p.queue_us, p.work_us, p.shard, p.type,
           v_outcome, CASE WHEN v_moved > 0 THEN true END, p.id, p.payer, p.payee, p.parent,
           p.currency, p.key, p.reference, p.payee_reference, p.description, p.metadata,
           p.traceparent, p.span_id
      FROM (SELECT p_pending.*) p;
    IF v_moved > 0 THEN
        INSERT INTO ledger.leg (created_at, amount, payer_posting_no, payer_balance_after, shard,
                                payment, payer, payee, currency)
        VALUES (p_at, v_moved, v_keeper.posting_count, v_keeper.balance, p_pending.shard,
                p_pending.id, p_pending.keeper, p_pending.taker, p_pending.currency);
        INSERT INTO ledger.unfolded_credit (shard, payee, transfer_id, amount)
        SELECT p_pending.shard, p_pending.taker, p_pending.id, v_net WHERE v_net > 0;
        PERFORM ledger.credit_splits(p_pending.shard, ARRAY[p_pending.id], v_fees.positions,
                                     v_fees.accounts, v_fees.amounts);
    ELSIF v_outcome = 0 THEN
        INSERT INTO ledger.payment_state
            (shard, payment, payer, decided_at, hold_expires_at, amount, captured)
        VALUES (p_pending.shard, p_pending.id, p_pending.keeper, p_pending.created_at,
                p_pending.hold_expires_at, p_pending.amount, 0);
    END IF;
    INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
    SELECT p_at, CASE WHEN v_outcome = 0 THEN 1 ELSE 3 END, ARRAY[p_pending.id],
           ARRAY[a.participant_no], ARRAY[CASE WHEN v_outcome = 0 THEN v_payee.participant_no END]
      FROM ledger.account a WHERE a.shard = p_pending.shard AND a.id = p_pending.payer;
    IF v_outcome <> 0 THEN
        INSERT INTO ledger.bank_call (payment, kind, participant_no, account, created_at, due_at)
        SELECT p_pending.id, 3, c.participant_no, c.account, p_at, p_at
          FROM ledger.bank_call c
         WHERE c.payment = p_pending.id AND c.kind = 1
           AND c.decision IS DISTINCT FROM 'declined';
    END IF;
    DELETE FROM ledger.pending_payment WHERE shard = p_pending.shard AND id = p_pending.id;
    RETURN v_outcome;
END $$;
