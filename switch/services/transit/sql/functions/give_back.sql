-- give_back(token, monday, ids[], retry_s_min, retry_s_max) → integer
--
-- Purpose     Gives back what was paid too much for a week, as a late tap has shown: refunds of its
--             payments, the latest first. What their operator has refunded by itself counts.
-- Parameters  p_token, p_monday  the week; p_ids  what the refunds are called: so many at most;
--             p_retry_s_min, p_retry_s_max  as settle_weeks
-- Returns     how many refunds were asked for, 0 where nothing is to be given back
-- Locks       the week; as decide_steps; as set_denials
-- Tables      updates week, charge; as decide_steps and set_denials; reads payment_state
CREATE OR REPLACE FUNCTION transit.give_back(
    p_token uuid, p_monday date, p_ids uuid[], p_retry_s_min integer, p_retry_s_max integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
DECLARE
    v_week     transit.week;
    v_operator integer;
    v_charge   record;
    v_amount   bigint;
    v_excess   bigint;
    v_count    integer := 0;
    v_payments uuid[] := '{}';
    v_amounts  bigint[] := '{}';
    v_decided  record;
BEGIN
    SELECT * INTO STRICT v_week FROM transit.week
     WHERE token = p_token AND monday = p_monday FOR NO KEY UPDATE;
    SELECT n.participant_no INTO STRICT v_operator
      FROM transit.token t JOIN transit.network n ON n.id = t.network WHERE t.id = p_token;
    v_excess := v_week.paid - v_week.due;
    FOR v_charge IN
        SELECT c.run, c.payment, c.amount - c.given_back AS kept,
               coalesce(y.captured - y.refunded - y.refunding, c.amount) AS left
          FROM transit.charge c
          LEFT JOIN ledger.payment_state y ON y.shard = 0 AND y.payment = c.payment
         WHERE c.token = p_token AND c.monday = p_monday AND c.given_back < c.amount
         ORDER BY c.run DESC LOOP
        EXIT WHEN v_excess <= 0 OR v_count >= cardinality(p_ids);
        v_amount := least(v_excess, v_charge.kept);
        v_excess := v_excess - v_amount;
        IF v_charge.left > 0 THEN
            v_count := v_count + 1;
            v_payments := v_payments || v_charge.payment;
            v_amounts := v_amounts || least(v_amount, v_charge.left);
        END IF;
        IF v_charge.left < v_amount THEN  -- the rest was refunded by the operator itself
            v_amount := v_amount - greatest(0, v_charge.left);
            UPDATE transit.charge SET given_back = given_back + v_amount
             WHERE token = p_token AND monday = p_monday AND run = v_charge.run;
            UPDATE transit.week SET paid = paid - v_amount
             WHERE token = p_token AND monday = p_monday;
        END IF;
    END LOOP;
    IF v_count > 0 THEN
        SELECT * INTO STRICT v_decided
          FROM ledger.decide_steps(
                   0::smallint, array_fill(v_operator, ARRAY[v_count]),
                   ARRAY(SELECT format('transit:%s:%s:%s', p_token, p_monday, v_week.runs + i)
                           FROM generate_series(1, v_count) AS i ORDER BY i),
                   array_fill(sha256(convert_to(p_token::text, 'UTF8')), ARRAY[v_count]),
                   p_ids[:v_count], array_fill(13::smallint, ARRAY[v_count]), v_payments,
                   v_amounts, array_fill(NULL::boolean, ARRAY[v_count]));
        UPDATE transit.charge c SET given_back = c.given_back + m.amount
          FROM unnest(v_payments, v_amounts, v_decided.outcomes) AS m (payment, amount, outcome)
         WHERE c.payment = m.payment AND m.outcome = 0;
        SELECT coalesce(sum(m.amount) FILTER (WHERE m.outcome = 0), 0) AS given,
               bool_and(m.outcome IS NOT DISTINCT FROM 0) AS is_done
          INTO STRICT v_charge
          FROM unnest(v_amounts, v_decided.outcomes) AS m (amount, outcome);
        UPDATE transit.week
           SET paid = paid - v_charge.given, runs = runs + v_count,
               failures = CASE WHEN v_charge.is_done THEN 0 ELSE failures + 1 END,
               retry_at = CASE WHEN v_charge.is_done THEN NULL
                               ELSE ledger.decision_time() + make_interval(secs => least(
                                   p_retry_s_max, p_retry_s_min * 2.0 ^ failures)) END
         WHERE token = p_token AND monday = p_monday;
        UPDATE transit.week SET look_at = retry_at
         WHERE token = p_token AND monday = p_monday AND NOT v_charge.is_done;
    END IF;
    PERFORM transit.set_denials(ARRAY[p_token]);
    RETURN v_count;
END $$;
