-- take_instalments(ids[], retry_s, attempts_max) → integer
--
-- Purpose     Takes instalments whose day has come, by their mandates, against their bills, as one
--             batch. What is recorded here and what is decided is one transaction.
-- Parameters  p_ids  what the payments are called: so many at most; p_retry_s  after a decline;
--             p_attempts_max  then it is given up
-- Returns     how many were tried; a suspended biller's wait; SW003 as authorize_batch
-- Locks       the instalments, those that are free; as ledger.authorize_batch
-- Tables      updates instalment; as ledger.authorize_batch; reads bill, payment_request
CREATE OR REPLACE FUNCTION bills.take_instalments(
    p_ids uuid[], p_retry_s integer, p_attempts_max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
DECLARE
    v_now     constant timestamptz := ledger.decision_time();
    v_due     record;
    v_decided record;
BEGIN
    -- Who paid a part by hand leaves less to take.
    SELECT array_agg(d.bill) AS bills, array_agg(d.number) AS numbers,
           array_agg(least(d.amount, greatest(
               1, ledger.asked_at(r, v_now) - r.paid - d.before::bigint))) AS amounts,
           array_agg(d.mandate) AS mandates, array_agg(d.attempts + 1) AS attempts,
           array_agg(b.participant_no) AS billers, array_agg(b.payee) AS payees,
           array_agg(r.currency::text) AS currencies, array_agg(b.reference) AS refs,
           count(*)::integer AS count
      INTO STRICT v_due
      FROM (SELECT l.*, coalesce(sum(l.amount) OVER (
                       PARTITION BY l.bill ORDER BY l.number
                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
              FROM (SELECT i.* FROM bills.instalment i
                      JOIN bills.bill b ON b.id = i.bill
                      JOIN ledger.participant p ON p.participant_no = b.participant_no
                     WHERE i.take_at <= v_now AND p.status = 'active'
                     ORDER BY i.take_at, i.bill, i.number LIMIT cardinality(p_ids)
                       FOR NO KEY UPDATE OF i SKIP LOCKED) l) d
      JOIN bills.bill b ON b.id = d.bill
      JOIN ledger.payment_request r ON r.id = d.bill;
    IF v_due.count = 0 THEN
        RETURN 0;
    END IF;
    SELECT * INTO STRICT v_decided
      FROM ledger.authorize_batch(
               0::smallint, v_due.billers,
               ARRAY(SELECT format('bill:%s:%s:%s', m.bill, m.number, m.attempt)
                       FROM unnest(v_due.bills, v_due.numbers, v_due.attempts) WITH ORDINALITY
                            AS m (bill, number, attempt, position) ORDER BY m.position),
               ARRAY(SELECT sha256(convert_to(format('%s %s', m.mandate, m.amount), 'UTF8'))
                       FROM unnest(v_due.mandates, v_due.amounts) WITH ORDINALITY
                            AS m (mandate, amount, position) ORDER BY m.position),
               p_ids[:v_due.count], array_fill(1::smallint, ARRAY[v_due.count]),
               array_fill(NULL::uuid, ARRAY[v_due.count]), v_due.payees, v_due.amounts,
               v_due.currencies, NULL, NULL, v_due.refs, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               v_due.mandates, v_due.bills);
    -- A key that was spent elsewhere is a decline as well; what is paid or cancelled is given up.
    UPDATE bills.instalment i
       SET attempts = m.attempt,
           status = CASE WHEN m.outcome = 0 THEN 'paid'
                         WHEN m.outcome IN (37, 107) OR m.attempt >= p_attempts_max
                             THEN 'given_up' ELSE 'planned' END,
           payment = CASE WHEN m.outcome = 0 THEN m.payment END,
           reason = CASE WHEN m.outcome <> 0 THEN (SELECT o.name FROM ledger.outcome o
                                                    WHERE o.code = m.outcome) END,
           take_at = CASE WHEN m.outcome NOT IN (0, 37, 107) AND m.attempt < p_attempts_max
                          THEN v_now + make_interval(secs => p_retry_s) END
      FROM (SELECT u.bill, u.number, u.attempt, u.payment, coalesce(u.outcome, 30) AS outcome
              FROM unnest(v_due.bills, v_due.numbers, v_due.attempts, v_decided.payment_ids,
                          v_decided.outcomes) AS u (bill, number, attempt, payment, outcome)) m
     WHERE i.bill = m.bill AND i.number = m.number;
    RETURN v_due.count;
END $$;
