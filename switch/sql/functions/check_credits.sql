-- check_credits() → (check_name, subject, detail)
--
-- Purpose     Every transfer has its credits exactly once, for its payee and whoever has a part of
--             it, and of their amounts: waiting or folded.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads transfer, split, unfolded_credit, fold
CREATE OR REPLACE FUNCTION ledger.check_credits()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    WITH credit AS (
        SELECT c.shard, c.transfer_id, c.payee, c.amount FROM ledger.unfolded_credit c
         UNION ALL
        SELECT f.shard, u.transfer_id, f.account, u.amount
          FROM ledger.fold f, unnest(f.transfer_ids, f.amounts) AS u (transfer_id, amount)
    ), credited AS (
        SELECT shard, transfer_id, payee, count(*) AS times, min(amount) AS amount
          FROM credit
         GROUP BY shard, transfer_id, payee
    ), due AS (
        SELECT shard, id, payee, credited AS amount FROM ledger.transfer WHERE credited > 0
         UNION ALL
        SELECT shard, payment, account, amount FROM ledger.split
    ), paired AS (
        SELECT coalesce(y.id, c.transfer_id) AS id, coalesce(y.payee, c.payee) AS payee, y.amount,
               c.amount AS credited_amount, coalesce(c.times, 0) AS times,
               y.id IS NOT NULL AS is_due
          FROM due y
          FULL JOIN credited c ON c.shard = y.shard AND c.transfer_id = y.id AND c.payee = y.payee
    )
    SELECT CASE WHEN NOT p.is_due THEN 'credit_without_payment'
                WHEN p.times = 0 THEN 'credit_lost'
                WHEN p.times > 1 THEN 'credit_doubled'
                ELSE 'credit_altered' END,
           p.id::text,
           format('%s is due to %s, credited %s times: %s', coalesce(p.amount, 0), p.payee, p.times,
                  p.credited_amount)
      FROM paired p
     WHERE NOT p.is_due OR p.times <> 1 OR p.amount <> p.credited_amount
$$;
