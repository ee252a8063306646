-- check_decisions() → (check_name, subject, detail)
--
-- Purpose     Every decision has its key claim and every claim its decision; approved payments join
--             two different accounts of their currency; what was spent today and this year is
--             what was decided in them.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads payment, pending_payment, payment_type, payment_state, key_claim, account
CREATE OR REPLACE FUNCTION ledger.check_decisions()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    SELECT 'key_claim', coalesce(y.id, c.subject)::text,
           CASE WHEN c.subject IS NULL THEN 'the payment has no key claim'
                WHEN y.id IS NULL THEN 'the key is claimed for a payment that does not exist'
                ELSE 'the key is claimed for another payment' END
      FROM (SELECT shard, id, participant_no, key FROM ledger.payment
             UNION ALL
            SELECT shard, id, participant_no, key FROM ledger.pending_payment) y
      FULL JOIN (SELECT * FROM ledger.key_claim WHERE operation IN (1, 4, 11, 12, 13)) c
             ON c.participant_no = y.participant_no AND c.key = y.key
     WHERE c.subject IS DISTINCT FROM y.id
     UNION ALL
    SELECT 'accounts', y.id::text, format('an approved payment of %s between accounts in %s and %s',
                                          y.currency, payer.currency, payee.currency)
      FROM ledger.payment y
      LEFT JOIN ledger.account payer ON payer.shard = y.shard AND payer.id = y.payer
      LEFT JOIN ledger.account payee ON payee.shard = y.shard AND payee.id = y.payee
     WHERE y.outcome = 0
       AND (payer.currency IS DISTINCT FROM y.currency OR payee.currency IS DISTINCT FROM y.currency
            OR y.payer = y.payee)
     UNION ALL
    SELECT c.name, a.id::text, format('the account says %s on %s, its payments add up to %s',
                                      c.said, a.spent_day, c.decided)
      FROM (SELECT a.id, a.spent_day, a.spent_today, a.spent_this_year, z.day, z.year,
                   coalesce(sum(s.of_day) FILTER (WHERE s.day = a.spent_day), 0) AS today,
                   coalesce(sum(s.of_year) FILTER (WHERE extract(year FROM s.day)
                                                       = extract(year FROM a.spent_day)), 0)
                       AS this_year
              FROM (SELECT ledger.local_day(ledger.decision_time()) AS day,
                           date_trunc('year', ledger.local_day(ledger.decision_time())::timestamp)
                               AS year) z
              JOIN ledger.account a ON a.spent_day >= z.year
              LEFT JOIN (SELECT d.shard, d.payer, (d.created_at AT TIME ZONE z.value)::date AS day,
                                sum(d.amount - d.uncounted) AS of_day,
                                sum(d.amount - d.uncounted_in_year) AS of_year
                           FROM (SELECT y.shard, y.payer, y.created_at, y.amount,
                                        coalesce(s.uncounted, 0) AS uncounted,
                                        coalesce(s.uncounted_in_year, 0) AS uncounted_in_year
                                   FROM ledger.payment y
                                   JOIN ledger.payment_type t
                                        ON t.code = y.type AND t.counts_per_day
                                   LEFT JOIN ledger.payment_state s
                                          ON s.shard = y.shard AND s.payment = y.id
                                  WHERE y.outcome = 0
                                    AND y.created_at > ledger.decision_time() - interval '368 days'
                                  UNION ALL
                                 SELECT shard, keeper, created_at, amount, 0, 0
                                   FROM ledger.pending_payment WHERE is_counted) d
                           JOIN ledger.setting z ON z.name = 'time_zone'
                          GROUP BY 1, 2, 3) s
                     ON s.shard = a.shard AND s.payer = a.id
             GROUP BY a.shard, a.id, z.day, z.year) a
     CROSS JOIN LATERAL (VALUES
         ('spent_today', a.spent_today, a.today, a.spent_day >= a.day),
         ('spent_this_year', a.spent_this_year, a.this_year, true))
           AS c (name, said, decided, is_now)
     WHERE c.is_now AND c.said <> c.decided
$$;
