-- check_holds() → (check_name, subject, detail)
--
-- Purpose     What accounts keep is what open holds and payments that wait for a bank add up to;
--             what the states of payments say was captured and refunded is what their steps and
--             reversals moved; every hold has its state, and no step is without one.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads account, payment, payment_state, pending_payment
CREATE OR REPLACE FUNCTION ledger.check_holds()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    SELECT 'held', coalesce(a.id, h.payer)::text,
           format('the account holds %s, its holds add up to %s', a.held, coalesce(h.rest, 0))
      FROM ledger.account a
      FULL JOIN (SELECT k.shard, k.payer, sum(k.rest) AS rest
                   FROM (SELECT shard, payer, amount - captured - voided - expired AS rest
                           FROM ledger.payment_state WHERE captured + voided + expired < amount
                          UNION ALL
                         SELECT shard, keeper, amount FROM ledger.pending_payment
                          WHERE keeper IS NOT NULL) k
                  GROUP BY k.shard, k.payer) h ON h.shard = a.shard AND h.payer = a.id
     WHERE a.held IS DISTINCT FROM coalesce(h.rest, 0)
     UNION ALL
    SELECT 'steps', coalesce(s.payment, m.parent)::text,
           format('captured %s and refunded %s, its steps moved %s and %s', s.captured, s.refunded,
                  m.captured, m.refunded)
      FROM (SELECT * FROM ledger.payment_state WHERE hold_expires_at IS NOT NULL OR refunded > 0) s
      FULL JOIN (SELECT y.shard, y.parent,
                        coalesce(sum(y.amount) FILTER (WHERE y.type = 11), 0) AS captured,
                        coalesce(sum(y.amount) FILTER (WHERE y.type IN (13, 103)), 0) AS refunded
                   FROM ledger.payment y
                  WHERE y.parent IS NOT NULL AND y.outcome = 0 AND y.type <> 12
                  GROUP BY y.shard, y.parent) m ON m.shard = s.shard AND m.parent = s.payment
     WHERE s.payment IS NULL OR s.refunded <> coalesce(m.refunded, 0)
        OR (s.hold_expires_at IS NOT NULL AND s.captured <> coalesce(m.captured, 0))
     UNION ALL
    SELECT 'refunding', coalesce(s.payment, w.parent)::text,
           format('the payment reserves %s for refunds, those that wait add up to %s', s.refunding,
                  w.amount)
      FROM (SELECT * FROM ledger.payment_state WHERE refunding > 0) s
      FULL JOIN (SELECT shard, parent, sum(amount) AS amount FROM ledger.pending_payment
                  WHERE parent IS NOT NULL GROUP BY shard, parent) w
             ON w.shard = s.shard AND w.parent = s.payment
     WHERE s.refunding IS DISTINCT FROM w.amount
     UNION ALL
    SELECT 'hold', y.id::text, 'the hold has no state, or another than was decided'
      FROM ledger.payment y
      LEFT JOIN ledger.payment_state s ON s.shard = y.shard AND s.payment = y.id
     WHERE y.hold_expires_at IS NOT NULL AND y.outcome = 0
       AND ((s.amount, s.hold_expires_at) IS DISTINCT FROM (y.amount, y.hold_expires_at)
            OR (s.payer <> y.payer
                AND NOT EXISTS (SELECT FROM ledger.account a
                                  JOIN ledger.account k ON k.shard = a.shard AND k.id = s.payer
                                 WHERE a.shard = y.shard AND a.id = y.payer
                                   AND (a.kind, k.kind) = ('external', 'position')
                                   AND a.participant_no = k.participant_no)))
$$;
