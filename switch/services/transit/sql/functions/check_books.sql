-- check_books() → (check_name, subject, detail)
--
-- Purpose     Proves what was taken for rides: each week with its taps and its payments, each
--             payment with the ledger's, each debt with the deny list.
-- Returns     one row a deviation, none when all is right
-- Locks       none
-- Tables      reads week, tap, charge, token, network, denial, payment, payment_state
CREATE OR REPLACE FUNCTION transit.check_books()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp SET work_mem = '128MB'
AS $$
    WITH charged AS (
        SELECT token, monday, sum(amount - given_back) AS paid FROM transit.charge GROUP BY 1, 2
    ), tapped AS (
        SELECT token, date_trunc('week', day)::date AS monday, count(*) AS taps
          FROM transit.tap GROUP BY 1, 2
    )
    SELECT 'transit_week', format('%s %s', w.token, w.monday),
           format('the week has %s taps and was paid %s; its taps are %s, its payments %s',
                  w.taps, w.paid, coalesce(t.taps, 0), coalesce(c.paid, 0))
      FROM transit.week w
      LEFT JOIN tapped t USING (token, monday)
      LEFT JOIN charged c USING (token, monday)
     WHERE (w.taps, w.paid) <> (coalesce(t.taps, 0), coalesce(c.paid, 0))
     UNION ALL
    SELECT 'transit_charge', c.payment::text,
           format('the payment is not one of %s to the network of token %s', c.amount, c.token)
      FROM transit.charge c
      JOIN transit.token t ON t.id = c.token
      JOIN transit.network n ON n.id = t.network
      LEFT JOIN ledger.payment y ON y.shard = 0 AND y.id = c.payment AND y.outcome = 0
     WHERE (y.payee, y.amount) IS DISTINCT FROM (n.account, c.amount)
     UNION ALL
    SELECT 'transit_refund', c.payment::text,
           format('%s counts as given back, refunded was %s', c.given_back,
                  coalesce(s.refunded, 0))
      FROM transit.charge c
      LEFT JOIN ledger.payment_state s ON s.shard = 0 AND s.payment = c.payment
     WHERE c.given_back > coalesce(s.refunded + s.refunding, 0)
     UNION ALL
    SELECT DISTINCT 'transit_debt', w.token::text,
           format('the token owes %s and is on no deny list', w.due - w.paid)
      FROM transit.week w
      LEFT JOIN transit.denial d ON d.token = w.token AND d.reason IS NOT NULL
     WHERE w.due > w.paid AND w.failures > 0 AND d.token IS NULL
$$;
