-- check_parts() → (check_name, subject, detail)
--
-- Purpose     What others paid of a payment, and were credited of it, is what the payment says, and
--             less than all of it or all; a purse paid for its wallet only, a budget where a coupon
--             was named only; each coupon counts its uses, each campaign its coupons; what was
--             swept is empty.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads payment, draw, split, purse, coupon, campaign, account
CREATE OR REPLACE FUNCTION ledger.check_parts()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    SELECT 'drawn', coalesce(y.id, d.payment)::text,
           format('the payment says that others paid %s, they were debited %s', y.drawn, d.amount)
      FROM (SELECT shard, id, amount, drawn FROM ledger.payment WHERE drawn IS NOT NULL) y
      FULL JOIN (SELECT shard, payment, sum(amount) AS amount FROM ledger.draw
                  GROUP BY shard, payment) d ON d.shard = y.shard AND d.payment = y.id
     WHERE y.drawn IS DISTINCT FROM d.amount OR y.drawn > y.amount
     UNION ALL
    SELECT 'split', coalesce(y.id, s.payment)::text,
           format('the payment says that others have %s of it, they were credited %s', y.split,
                  s.amount)
      FROM (SELECT shard, id, amount, split FROM ledger.payment WHERE split IS NOT NULL) y
      FULL JOIN (SELECT shard, payment, sum(amount) AS amount FROM ledger.split
                  GROUP BY shard, payment) s ON s.shard = y.shard AND s.payment = y.id
     WHERE y.split IS DISTINCT FROM s.amount OR y.split > y.amount
     UNION ALL
    SELECT 'draw_of_another', d.payment::text,
           format('%s paid a part of a payment that is not its to pay', d.account)
      FROM ledger.draw d
      JOIN ledger.payment y ON y.shard = d.shard AND y.id = d.payment
      LEFT JOIN ledger.purse p ON p.id = d.account
      LEFT JOIN ledger.coupon c ON c.id = y.coupon
     WHERE y.payer IS DISTINCT FROM p.wallet
       AND (d.account IS DISTINCT FROM c.campaign OR c.account <> y.payer)
     UNION ALL
    SELECT 'coupon_uses', c.id::text,
           format('the coupon counts %s uses, %s payments were approved with it', c.uses,
                  coalesce(y.uses, 0))
      FROM ledger.coupon c
      LEFT JOIN (SELECT coupon, count(*) AS uses FROM ledger.payment
                  WHERE coupon IS NOT NULL AND outcome = 0 GROUP BY coupon) y ON y.coupon = c.id
     WHERE c.uses <> coalesce(y.uses, 0)
     UNION ALL
    SELECT 'campaign_coupons', g.id::text,
           format('the campaign counts %s coupons, it has %s', g.coupons_given,
                  coalesce(c.given, 0))
      FROM ledger.campaign g
      LEFT JOIN (SELECT campaign, count(*) AS given FROM ledger.coupon GROUP BY campaign) c
             ON c.campaign = g.id
     WHERE g.coupons_given <> coalesce(c.given, 0)
     UNION ALL
    SELECT 'swept', f.id::text, format('it was emptied for good, and has %s',
                                       a.balance + coalesce(w.amount, 0))
      FROM (SELECT id FROM ledger.purse WHERE swept_at IS NOT NULL
             UNION ALL
            SELECT id FROM ledger.campaign WHERE swept_at IS NOT NULL) f
      JOIN ledger.account a ON a.shard = 0 AND a.id = f.id
      LEFT JOIN (SELECT payee, sum(amount) AS amount FROM ledger.unfolded_credit
                  GROUP BY payee) w ON w.payee = f.id
     WHERE a.balance + coalesce(w.amount, 0) <> 0
$$;
