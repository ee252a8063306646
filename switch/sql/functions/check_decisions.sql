-- check_decisions() → (check_name, subject, detail)
--
-- Purpose     Every decision has its key claim and every claim its decision; approved payments join
--             two different accounts of their currency; what was spent today is what was decided
--             today.
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
    SELECT 'spent_today', a.id::text, format('the account says %s on %s, its payments add up to %s',
                                             a.spent_today, a.spent_day, coalesce(s.amount, 0))
      FROM ledger.account a
      LEFT JOIN (SELECT c.shard, c.payer, ledger.local_day(c.created_at) AS day,
                        sum(c.amount) AS amount
                   FROM (SELECT y.shard, y.payer, y.created_at,
                                y.amount - coalesce(s.uncounted, 0) AS amount
                           FROM ledger.payment y
                           JOIN ledger.payment_type t ON t.code = y.type AND t.counts_per_day
                           LEFT JOIN ledger.payment_state s
                                  ON s.shard = y.shard AND s.payment = y.id
                          WHERE y.outcome = 0
                            AND y.created_at > ledger.decision_time() - interval '2 days'
                          UNION ALL
                         SELECT shard, keeper, created_at, amount FROM ledger.pending_payment
                          WHERE is_counted) c
                  GROUP BY 1, 2, 3) s
             ON s.shard = a.shard AND s.payer = a.id AND s.day = a.spent_day
     WHERE a.spent_day >= ledger.local_day(ledger.decision_time())
         AND a.spent_today <> coalesce(s.amount, 0)
$$;
