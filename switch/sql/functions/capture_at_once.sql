-- capture_at_once(shard, at, …arrays, one element a step…) → smallint[]
--
-- Purpose     Takes those captures of a batch together that are the same in any order of the
--             others: each payment's first step and each payer's first capture, by the payee's
--             side, of money that is held here for an open payee whose balance is not capped, and
--             that frees nothing. That is most of them. What this leaves has its order.
-- Parameters  as decide_steps; p_at  the batch's time, taken since accounts and states are locked;
--             p_dispositions  of each step; p_locked  payments whose accounts and states these are
-- Returns     of each step: 0 where it was taken, else null
-- Locks       none
-- Tables      updates account, payment_state; inserts payment, unfolded_credit, split, outbox;
--             reads tier
CREATE OR REPLACE FUNCTION ledger.capture_at_once(
    p_shard smallint, p_at timestamptz, p_participant_no integer[], p_key text[],
    p_payment_id uuid[], p_type smallint[], p_parent uuid[], p_amount bigint[], p_final boolean[],
    p_key_no integer[], p_queue_us integer[], p_traceparent text[], p_span_id text[],
    p_dispositions smallint[], p_locked uuid[], OUT outcomes smallint[])
LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_taken    record;  -- arrays of what was captured, in any order
    v_fees     record;  -- what is kept of it, if anything is
    v_nets     bigint[];
    v_work_us  integer;
    v_position integer;
BEGIN
    outcomes := array_fill(null::smallint, ARRAY[cardinality(p_key)]);
    WITH plain AS MATERIALIZED (
        SELECT DISTINCT ON (payer) *
          FROM (SELECT m.position, m.participant_no, y.id AS parent, y.payer, y.payee, y.currency,
                       y.type AS parent_type, y.type = 1 AND b.tariff IS NOT NULL AS has_fees,
                       c.participant_no AS payer_holder, s.payer AS keeper,
                       s.amount - s.captured - s.voided AS available,
                       coalesce(m.amount, s.amount - s.captured - s.voided) AS amount,
                       coalesce(m.final, false) AS is_final
                  FROM (SELECT *, row_number() OVER (PARTITION BY parent ORDER BY position) AS turn
                          FROM unnest(p_participant_no, p_type, p_parent, p_amount, p_final,
                                      p_dispositions) WITH ORDINALITY
                               AS m (participant_no, type, parent, amount, final, disposition,
                                     position)
                         WHERE disposition = 0) m
                  JOIN ledger.payment y ON y.shard = p_shard AND y.id = m.parent
                  JOIN ledger.payment_state s ON s.shard = p_shard AND s.payment = m.parent
                  JOIN ledger.account b ON b.shard = p_shard AND b.id = y.payee
                  JOIN ledger.account c ON c.shard = p_shard AND c.id = y.payer
                  LEFT JOIN ledger.tier t ON t.name = b.tier AND t.currency = b.currency
                 WHERE m.type = 11 AND m.turn = 1 AND m.parent = ANY (p_locked)
                   AND s.hold_expires_at > p_at
                   AND b.participant_no = m.participant_no AND b.lifecycle = 'open'
                   AND t.balance_limit IS NULL) held
         WHERE keeper = payer AND amount <= available AND available > 0
           AND (amount = available OR NOT is_final)
         ORDER BY payer, position
    ), debited AS (
        UPDATE ledger.account a
           SET balance = a.balance - p.amount, held = a.held - p.amount,
               posting_count = a.posting_count + 1
          FROM plain p
         WHERE a.shard = p_shard AND a.id = p.payer
        RETURNING p.position, a.posting_count, a.balance
    ), captured AS (
        UPDATE ledger.payment_state s
           SET captured = s.captured + p.amount
          FROM plain p
         WHERE s.shard = p_shard AND s.payment = p.parent
        RETURNING p.position
    )
    SELECT array_agg(p.position) AS positions, array_agg(p.amount) AS amounts,
           array_agg(p.payer) AS payers, array_agg(p.payee) AS payees,
           array_agg(p.payer_holder) AS payer_holders, array_agg(p.participant_no) AS payee_holders,
           array_agg(p.currency) AS currencies, array_agg(d.posting_count) AS debits,
           array_agg(d.balance) AS balances_after,
           array_agg(p_payment_id[p.position]) AS ids, array_agg(p.parent_type) AS types,
           bool_or(p.has_fees) AS have_fees
      INTO STRICT v_taken
      FROM plain p JOIN debited d USING (position) JOIN captured USING (position);
    IF v_taken.positions IS NULL THEN
        RETURN;
    END IF;
    v_nets := v_taken.amounts;
    IF v_taken.have_fees THEN
        SELECT * INTO STRICT v_fees
          FROM ledger.find_fees(p_shard, v_taken.types, v_taken.payees, v_taken.amounts);
        v_nets := v_fees.nets;
        PERFORM ledger.credit_splits(p_shard, v_taken.ids, v_fees.positions, v_fees.accounts,
                                     v_fees.amounts);
    END IF;
    v_work_us := ledger.work_us();
    INSERT INTO ledger.payment
        (created_at, amount, split, payer_posting_no, payer_balance_after, participant_no, shard,
         type,
         outcome, final, id, payer, payee, parent, currency, key, key_no, queue_us, work_us,
         traceparent, span_id)
    SELECT p_at, m.amount, nullif(m.amount - m.net, 0), m.debit, m.after,
           m.holder, p_shard, 11, 0, p_final[m.position], m.id,
           m.payer, m.payee, p_parent[m.position], m.currency, p_key[m.position],
           p_key_no[m.position], p_queue_us[m.position], v_work_us, p_traceparent[m.position],
           p_span_id[m.position]
      FROM unnest(v_taken.positions, v_taken.amounts, v_taken.payers, v_taken.payees,
                  v_taken.payee_holders, v_taken.currencies, v_taken.debits,
                  v_taken.balances_after, v_taken.ids, v_nets)
           AS m (position, amount, payer, payee, holder, currency, debit, after, id, net);
    INSERT INTO ledger.unfolded_credit (shard, payee, transfer_id, amount)
    SELECT p_shard, m.payee, m.id, m.amount
      FROM unnest(v_taken.payees, v_taken.ids, v_nets) AS m (payee, id, amount)
     WHERE m.amount > 0;
    INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
    VALUES (p_at, 1, v_taken.ids, v_taken.payer_holders, v_taken.payee_holders);
    FOREACH v_position IN ARRAY v_taken.positions LOOP
        outcomes[v_position] := 0;
    END LOOP;
END $$;
