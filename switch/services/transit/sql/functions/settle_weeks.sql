-- settle_weeks(tokens[], mondays[], taps[], fares[], dues[], ride_ends_at[], next_days[], ids[], …)
--     → rows
--
-- Purpose     Records what weeks cost and takes what is due of them and not paid, by the mandates
--             of their tokens, in one transaction. A week that got a tap since it was priced is
--             left.
-- Parameters  p_tokens, p_mondays  which weeks; p_taps  that were priced; p_fares, p_dues  as the
--             columns; p_rides_end_at  when a ride that is open ends without its tap, p_next_days
--             the first service day that is not due, null where there is none; p_ids  what the
--             payments are called; p_retry_s_min, p_retry_s_max  after a decline, doubling;
--             p_failures_max  in a row, then its provider has to ask
-- Returns     token, monday  of weeks of which something is to be given back; SW003 as
--             authorize_batch
-- Locks       the weeks in the order of token and Monday; as authorize_batch; as set_denials
-- Tables      updates week; inserts charge; as authorize_batch and set_denials
CREATE OR REPLACE FUNCTION transit.settle_weeks(
    p_tokens uuid[], p_mondays date[], p_taps integer[], p_fares bigint[], p_dues bigint[],
    p_rides_end_at timestamptz[], p_next_days date[], p_ids uuid[], p_retry_s_min integer,
    p_retry_s_max integer, p_failures_max integer)
RETURNS TABLE (token uuid, monday date)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now     constant timestamptz := ledger.decision_time();
    v_pay     record;
    v_decided record;
BEGIN
    PERFORM FROM transit.week w
      WHERE (w.token, w.monday) IN (SELECT * FROM unnest(p_tokens, p_mondays))
      ORDER BY w.token, w.monday FOR NO KEY UPDATE;
    UPDATE transit.week w
       SET fares = m.fares, due = m.due,
           look_at = least(m.ride_ends_at, transit.payable_at(m.next_day, n))
      FROM unnest(p_tokens, p_mondays, p_taps, p_fares, p_dues, p_rides_end_at, p_next_days)
           AS m (token, monday, taps, fares, due, ride_ends_at, next_day)
      JOIN transit.token t ON t.id = m.token
      JOIN transit.network n ON n.id = t.network
     WHERE w.token = m.token AND w.monday = m.monday AND w.taps = m.taps;
    SELECT array_agg(w.token) AS tokens, array_agg(w.monday) AS mondays,
           array_agg(w.due - w.paid) AS amounts, array_agg(w.runs + 1) AS runs,
           array_agg(t.mandate) AS mandates, array_agg(n.participant_no) AS operators,
           array_agg(n.account) AS accounts, array_agg(n.currency) AS currencies,
           array_agg(n.name) AS names, count(*)::integer AS count
      INTO STRICT v_pay
      FROM transit.week w
      JOIN unnest(p_tokens, p_mondays, p_taps) AS m (token, monday, taps)
        ON w.token = m.token AND w.monday = m.monday AND w.taps = m.taps
      JOIN transit.token t ON t.id = w.token
      JOIN transit.network n ON n.id = t.network
     WHERE w.due > w.paid AND w.failures < p_failures_max
       AND (w.failures = 0 OR w.retry_at <= v_now);
    IF v_pay.count > 0 THEN
        SELECT * INTO STRICT v_decided
          FROM ledger.authorize_batch(
                   0::smallint, v_pay.operators,
                   ARRAY(SELECT format('transit:%s:%s:%s', m.token, m.monday, m.run)
                           FROM unnest(v_pay.tokens, v_pay.mondays, v_pay.runs) WITH ORDINALITY
                                AS m (token, monday, run, position) ORDER BY m.position),
                   ARRAY(SELECT sha256(convert_to(format('%s %s', m.mandate, m.amount), 'UTF8'))
                           FROM unnest(v_pay.mandates, v_pay.amounts) WITH ORDINALITY
                                AS m (mandate, amount, position) ORDER BY m.position),
                   p_ids[:v_pay.count], array_fill(1::smallint, ARRAY[v_pay.count]),
                   array_fill(NULL::uuid, ARRAY[v_pay.count]), v_pay.accounts, v_pay.amounts,
                   v_pay.currencies, NULL, NULL, NULL, v_pay.names, NULL, NULL, NULL, NULL, NULL,
                   NULL, v_pay.mandates);
        INSERT INTO transit.charge (token, monday, run, payment, amount)
        SELECT m.token, m.monday, m.run, m.payment, m.amount
          FROM unnest(v_pay.tokens, v_pay.mondays, v_pay.runs, v_decided.payment_ids,
                      v_pay.amounts, v_decided.outcomes)
               AS m (token, monday, run, payment, amount, outcome)
         WHERE m.outcome = 0;
        -- What is not approved is tried again later: a key that was spent elsewhere, too.
        UPDATE transit.week w
           SET runs = m.run,
               paid = w.paid + CASE WHEN m.outcome = 0 THEN m.amount ELSE 0 END,
               failures = CASE WHEN m.outcome = 0 THEN 0 ELSE w.failures + 1 END,
               retry_at = CASE WHEN m.outcome = 0 THEN NULL
                               ELSE v_now + make_interval(secs => least(
                                   p_retry_s_max, p_retry_s_min * 2.0 ^ w.failures)) END
          FROM unnest(v_pay.tokens, v_pay.mondays, v_pay.runs, v_pay.amounts,
                      (SELECT array_agg(coalesce(o.outcome, 30) ORDER BY o.position)
                         FROM unnest(v_decided.outcomes) WITH ORDINALITY
                              AS o (outcome, position)))
               AS m (token, monday, run, amount, outcome)
         WHERE w.token = m.token AND w.monday = m.monday;
    END IF;
    UPDATE transit.week w
       SET look_at = least(w.look_at, CASE WHEN w.failures = 0 THEN v_now ELSE w.retry_at END)
     WHERE (w.token, w.monday) IN (SELECT * FROM unnest(p_tokens, p_mondays))
       AND w.due <> w.paid AND w.failures < p_failures_max;
    PERFORM transit.set_denials(p_tokens);
    RETURN QUERY
        SELECT w.token, w.monday FROM transit.week w
         WHERE (w.token, w.monday) IN (SELECT * FROM unnest(p_tokens, p_mondays))
           AND w.due < w.paid AND w.failures < p_failures_max
           AND (w.failures = 0 OR w.retry_at <= v_now);
END $$;
