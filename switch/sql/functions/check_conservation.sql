-- check_conservation() → (check_name, subject, detail)
--
-- Purpose     Per currency, all balances plus the credits not yet folded add up to zero; no account
--             is below its floor, or is closed with money in it or coming; none that a bank holds
--             has any.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads account, unfolded_credit
CREATE OR REPLACE FUNCTION ledger.check_conservation()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    SELECT 'conservation', s.currency, format('balances and waiting credits add up to %s, not to 0',
                                              s.total)
      FROM (SELECT a.currency, sum(a.balance) + coalesce(sum(c.amount), 0) AS total
              FROM ledger.account a
              LEFT JOIN (SELECT shard, payee, sum(amount) AS amount FROM ledger.unfolded_credit
                         GROUP BY shard, payee) c
                     ON c.shard = a.shard AND c.payee = a.id
             GROUP BY a.currency) s
     WHERE s.total <> 0
     UNION ALL
    SELECT 'overdraft', a.id::text, format('balance %s - held %s is below the floor %s', a.balance,
                                           a.held, a.floor)
      FROM ledger.account a
     WHERE a.balance - a.held < a.floor
     UNION ALL
    SELECT 'closed', a.id::text, format('the account is closed with a balance of %s and %s waiting',
                                        a.balance,
                                        (SELECT coalesce(sum(c.amount), 0)
                                         FROM ledger.unfolded_credit c
                                          WHERE c.shard = a.shard AND c.payee = a.id))
      FROM ledger.account a
     WHERE a.lifecycle = 'closed'
       AND (a.balance <> 0
            OR EXISTS (SELECT FROM ledger.unfolded_credit c WHERE c.shard = a.shard
                       AND c.payee = a.id))
     UNION ALL
    SELECT 'external', a.id::text,
           format('its bank holds the money, the switch says %s and holds %s', a.balance, a.held)
      FROM ledger.account a
     WHERE a.kind = 'external' AND (a.balance <> 0 OR a.held <> 0)
$$;
