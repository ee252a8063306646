-- check_mandates() → (check_name, subject, detail)
--
-- Purpose     Each mandate counts the payments that were approved by it: how many, and how much on
--             its latest day and in its latest month; each such payment is from its payer, to its
--             payee.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads payment, mandate
CREATE OR REPLACE FUNCTION ledger.check_mandates()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    WITH taken AS MATERIALIZED (
        SELECT y.id, y.mandate, y.payer, y.payee, y.amount, ledger.local_day(y.created_at) AS day
          FROM ledger.payment y
         WHERE y.mandate IS NOT NULL AND y.outcome = 0
    ), counted AS (
        SELECT m.id, count(t.id) AS uses,
               coalesce(sum(t.amount) FILTER (WHERE t.day = m.spent_day), 0) AS today,
               coalesce(sum(t.amount) FILTER (
                   WHERE date_trunc('month', t.day)::date = m.spent_month), 0) AS this_month
          FROM ledger.mandate m LEFT JOIN taken t ON t.mandate = m.id
         GROUP BY m.id
    )
    SELECT 'mandate_uses', m.id::text,
           format('the mandate counts %s uses, %s on its day and %s in its month; its payments are'
                  ' %s, %s and %s', m.uses, m.spent_today, m.spent_this_month, c.uses, c.today,
                  c.this_month)
      FROM ledger.mandate m JOIN counted c USING (id)
     WHERE (m.uses, m.spent_today, m.spent_this_month) <> (c.uses, c.today, c.this_month)
     UNION ALL
    SELECT 'mandate', t.id::text,
           format('the payment is not one that mandate %s permits', t.mandate)
      FROM taken t LEFT JOIN ledger.mandate m ON m.id = t.mandate
     WHERE m.id IS NULL OR m.payer <> t.payer OR m.payee <> t.payee
$$;
