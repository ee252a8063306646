-- decide_step(shard, at, participant_no, key, payment_id, type, parent, amount, final, …) → code
--
-- Purpose     Decides one capture, void or refund whose key is claimed, and posts it. A capture and
--             a void are not blocked by a freeze of the payer: a hold is a promise, which the
--             payer's side cannot take back. A refund is not held against the limits of whoever
--             gets his money back.
-- Parameters  p_at  the time of the decision; the others as decide_steps
-- Returns     ledger.outcome.code, null when a bank decides it; SW003 when an account needs more
--             waiting credits than one call adds up, the detail names it
-- Locks       the payment's state; a payee whose balance is capped; the caller has locked the
--             account that is debited
-- Tables      inserts payment, leg, unfolded_credit, split, outbox, payment_state; updates account,
--             payment_state; as begin_refund
CREATE OR REPLACE FUNCTION ledger.decide_step(
    p_shard smallint, p_at timestamptz, p_participant_no integer, p_key text, p_payment_id uuid,
    p_type smallint, p_parent uuid, p_amount bigint, p_final boolean, p_key_no integer,
    p_queue_us integer, p_traceparent text, p_span_id text) RETURNS smallint
LANGUAGE plpgsql
AS $$
DECLARE
    v_parent  ledger.payment;
    v_state   ledger.payment_state;
    v_payer   ledger.account;  -- of the step: a refund is paid by whoever was paid
    v_payee   ledger.account;
    v_source  ledger.account;  -- whose money moves: the payer's, or its bank's position
    v_taker   uuid;
    v_step    ledger.payment;
    v_refund  constant boolean := p_type = 13;
    v_left    bigint;  -- what the step may be about
    v_amount  bigint := p_amount;
    v_moved   bigint := 0;
    v_rest    bigint := 0;  -- what is held no longer and not captured
    v_counted bigint := 0;  -- of that, what the payer's day gets back
    v_of_year bigint := 0;  -- and his year
    v_parts   record;       -- of what moves, what others than the payee are credited
    v_net     bigint;       -- and the payee
    v_outcome smallint;
BEGIN
    SELECT * INTO v_parent FROM ledger.payment WHERE shard = p_shard AND id = p_parent;
    IF NOT FOUND THEN
        SELECT id, type, participant_no, payer, payee, parent, currency
          INTO v_parent.id, v_parent.type, v_parent.participant_no, v_parent.payer,
               v_parent.payee, v_parent.parent, v_parent.currency
          FROM ledger.pending_payment WHERE shard = p_shard AND id = p_parent;
    END IF;
    SELECT * INTO v_payer FROM ledger.account
     WHERE shard = p_shard AND id = CASE WHEN v_refund THEN v_parent.payee
                                         ELSE v_parent.payer END;
    SELECT * INTO v_payee FROM ledger.account
     WHERE shard = p_shard AND id = CASE WHEN v_refund THEN v_parent.payer
                                         ELSE v_parent.payee END;
    v_outcome := ledger.may_take_step(p_participant_no, p_type, v_parent, v_payer, v_payee);
    IF v_outcome = 0 THEN
        v_state := ledger.lock_state(p_shard, v_parent);
        SELECT * INTO v_source FROM ledger.account
         WHERE shard = p_shard AND id = ledger.step_source(p_shard, v_parent, p_type);
        v_taker := ledger.bank_position(p_shard, v_payee);
        v_left := CASE WHEN v_refund THEN v_state.captured - v_state.refunded - v_state.refunding
                       WHEN v_state.hold_expires_at <= p_at THEN 0  -- whether or not it is posted
                       ELSE v_state.amount - v_state.captured - v_state.voided END;
        v_amount := coalesce(p_amount, nullif(v_left, 0));
        SELECT * INTO STRICT v_parts
          FROM ledger.find_splits(p_shard, p_at, p_type, v_parent, v_state, v_amount);
        v_net := v_parts.net;
        v_outcome := CASE
            WHEN v_left = 0 AND NOT v_refund
                AND v_state.captured + v_state.voided < v_state.amount THEN 34
            WHEN v_left = 0 THEN 32
            WHEN v_amount > v_left THEN CASE WHEN v_refund THEN 38 ELSE 36 END
            WHEN v_refund AND (v_payer.holder_freeze OR v_payer.operator_freeze
                               OR v_source.holder_freeze OR v_source.operator_freeze) THEN 70
            WHEN v_refund AND v_payer.lifecycle <> 'open' THEN 80
            WHEN p_type <> 12 AND v_payee.lifecycle <> 'open' THEN 90
            WHEN p_type = 11 AND ledger.is_over_limit(p_shard, v_payee, v_net, p_at) THEN 120
            WHEN v_refund AND ledger.is_short(p_shard, v_source, v_amount, p_at) THEN 130
            WHEN v_source.id IS NULL OR v_taker IS NULL THEN 140
            WHEN v_refund AND v_payee.kind = 'external'
                AND NOT ledger.may_call_bank(v_payee.participant_no, 2::smallint,
                                             ledger.bank_credits_max()) THEN 140
            ELSE 0
        END;
    END IF;

    v_step.created_at := p_at;
    v_step.amount := v_amount;
    v_step.participant_no := p_participant_no;
    v_step.shard := p_shard;
    v_step.type := p_type;
    v_step.outcome := v_outcome;
    v_step.answer_version := 1;
    v_step.final := p_final;
    v_step.id := p_payment_id;
    v_step.parent := p_parent;
    v_step.key := p_key;
    v_step.key_no := p_key_no;
    v_step.queue_us := p_queue_us;
    v_step.work_us := ledger.work_us();
    v_step.traceparent := p_traceparent;
    v_step.span_id := p_span_id;
    IF v_outcome <> 24 THEN
        v_step.payer := v_payer.id;
        v_step.payee := v_payee.id;
        v_step.currency := v_parent.currency;
    END IF;
    IF v_outcome = 0 AND v_refund AND v_payee.kind = 'external' THEN
        PERFORM ledger.begin_refund(v_step, v_source.id, v_taker);
        RETURN null;
    END IF;

    IF v_outcome = 0 THEN
        v_moved := CASE WHEN p_type = 12 THEN 0 ELSE v_amount END;
        IF p_type = 12 OR p_final THEN
            v_rest := v_left - v_moved;
            v_counted := CASE WHEN v_source.spent_day = ledger.local_day(v_state.decided_at)
                               AND v_source.spent_day = ledger.local_day(p_at)
                               AND v_source.id = v_parent.payer
                               AND (SELECT counts_per_day FROM ledger.payment_type
                                     WHERE code = v_parent.type) THEN v_rest ELSE 0 END;
            v_of_year := CASE WHEN ledger.local_year(p_at) = ledger.local_year(v_state.decided_at)
                               AND ledger.local_year(p_at) = extract(year FROM v_source.spent_day)
                               AND v_source.id = v_parent.payer
                               AND (SELECT counts_per_day FROM ledger.payment_type
                                     WHERE code = v_parent.type) THEN v_rest ELSE 0 END;
        END IF;
        UPDATE ledger.account a
           SET balance = a.balance - v_moved,
               held = a.held - CASE WHEN v_refund THEN 0 ELSE v_moved + v_rest END,
               spent_today = a.spent_today - v_counted,
               spent_this_year = a.spent_this_year - v_of_year,
               posting_count = a.posting_count + CASE WHEN v_moved > 0 THEN 1 ELSE 0 END
         WHERE a.shard = p_shard AND a.id = v_source.id
        RETURNING * INTO v_source;
        UPDATE ledger.payment_state s
           SET captured = s.captured + CASE WHEN v_refund THEN 0 ELSE v_moved END,
               refunded = s.refunded + CASE WHEN v_refund THEN v_moved ELSE 0 END,
               voided = s.voided + v_rest, uncounted = s.uncounted + v_counted,
               uncounted_in_year = s.uncounted_in_year + v_of_year
         WHERE s.shard = p_shard AND s.payment = p_parent;
        INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
        VALUES (p_at, 1, ARRAY[p_payment_id], ARRAY[v_payer.participant_no],
                ARRAY[v_payee.participant_no]);
        IF v_moved > 0 THEN
            INSERT INTO ledger.unfolded_credit (shard, payee, transfer_id, amount)
            SELECT p_shard, v_payee.id, p_payment_id, v_net WHERE v_net > 0;
            PERFORM ledger.credit_splits(p_shard, ARRAY[p_payment_id], v_parts.positions,
                                         v_parts.accounts, v_parts.amounts);
            v_step.split := nullif(v_moved - v_net, 0);
        END IF;
        IF v_moved > 0 AND v_source.id = v_payer.id THEN
            v_step.payer_posting_no := v_source.posting_count;
            v_step.payer_balance_after := v_source.balance;
        ELSIF v_moved > 0 THEN
            v_step.has_leg := true;
            INSERT INTO ledger.leg (created_at, amount, payer_posting_no, payer_balance_after,
                                    shard, payment, payer, payee, currency)
            VALUES (p_at, v_moved, v_source.posting_count, v_source.balance, p_shard,
                    p_payment_id, v_source.id, v_payee.id, v_parent.currency);
        END IF;
    END IF;
    INSERT INTO ledger.payment SELECT v_step.*;
    RETURN v_outcome;
END $$;
