-- release_expired(shard, accounts[], at) → number of holds
--
-- Purpose     Gives payers back what holds past their time still keep, and the day and the year
--             what was to be spent in them, if the hold was decided and expired in the day or
--             the year that it is counted in.
-- Parameters  p_shard, p_accounts  accounts locked by this transaction; p_at  the time of the
--             decision, taken since they are locked
-- Returns     how many holds; fewer than fold_items_max() only if none are left
-- Locks       the states of these payments, in id order
-- Tables      updates payment_state, account; inserts outbox
CREATE OR REPLACE FUNCTION ledger.release_expired(
    p_shard smallint, p_accounts uuid[], p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_count bigint;
BEGIN
    IF p_accounts = '{}' THEN
        RETURN 0;
    END IF;
    WITH due AS MATERIALIZED (
        SELECT s.payment, s.payer, s.hold_expires_at, a.participant_no AS payer_side,
               (SELECT p.participant_no FROM ledger.account p
                 WHERE p.shard = p_shard AND p.id = y.payee) AS payee_side,
               s.amount - s.captured - s.voided - s.expired AS rest,
               a.spent_day = ledger.local_day(s.decided_at)
               AND a.spent_day = ledger.local_day(s.hold_expires_at)
               AND t.counts_per_day AND y.payer = s.payer AS is_counted,
               extract(year FROM a.spent_day) = ledger.local_year(s.decided_at)
               AND extract(year FROM a.spent_day) = ledger.local_year(s.hold_expires_at)
               AND t.counts_per_day AND y.payer = s.payer AS is_of_year
          FROM (SELECT * FROM ledger.payment_state
                 WHERE shard = p_shard AND payer = ANY (p_accounts) AND hold_expires_at <= p_at
                   AND captured + voided + expired < amount
                 ORDER BY payment LIMIT ledger.fold_items_max()
                   FOR NO KEY UPDATE) s
          JOIN ledger.account a ON a.shard = p_shard AND a.id = s.payer
          JOIN ledger.payment y ON y.shard = p_shard AND y.id = s.payment
          JOIN ledger.payment_type t ON t.code = y.type
    ), posted AS (
        UPDATE ledger.payment_state s
           SET expired = s.expired + due.rest,
               uncounted = s.uncounted + CASE WHEN due.is_counted THEN due.rest ELSE 0 END,
               uncounted_in_year = s.uncounted_in_year
                   + CASE WHEN due.is_of_year THEN due.rest ELSE 0 END
          FROM due
         WHERE s.shard = p_shard AND s.payment = due.payment
    ), told AS (
        INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
        SELECT hold_expires_at, 2, ARRAY[payment], ARRAY[payer_side], ARRAY[payee_side]
          FROM due ORDER BY hold_expires_at, payment
    ), freed AS (
        UPDATE ledger.account a
           SET held = a.held - f.rest, spent_today = a.spent_today - f.counted,
               spent_this_year = a.spent_this_year - f.of_year
          FROM (SELECT payer, sum(rest)::bigint AS rest,
                       coalesce(sum(rest) FILTER (WHERE is_counted), 0)::bigint AS counted,
                       coalesce(sum(rest) FILTER (WHERE is_of_year), 0)::bigint AS of_year
                  FROM due GROUP BY payer) f
         WHERE a.shard = p_shard AND a.id = f.payer
    )
    SELECT count(*) INTO STRICT v_count FROM due;
    RETURN v_count;
END $$;
