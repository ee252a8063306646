-- check_credits() → (check_name, subject, detail)
--
-- Purpose     Every transfer has its credit exactly once, for its payee and its amount:
--             waiting or folded.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads transfer, unfolded_credit, fold
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
        SELECT shard, transfer_id, count(*) AS times, min(payee::text)::uuid AS payee, min(amount)
               AS amount
          FROM credit
         GROUP BY shard, transfer_id
    ), paired AS (
        SELECT coalesce(y.id, c.transfer_id) AS id, y.payee, y.amount, c.payee AS credited_payee,
               c.amount AS credited_amount, coalesce(c.times, 0) AS times, y.id IS NOT NULL
                   AS approved
          FROM ledger.transfer y
          FULL JOIN credited c ON c.shard = y.shard AND c.transfer_id = y.id
    )
    SELECT CASE WHEN NOT p.approved THEN 'credit_without_payment'
                WHEN p.times = 0 THEN 'credit_lost'
                WHEN p.times > 1 THEN 'credit_doubled'
                ELSE 'credit_altered' END,
           p.id::text,
           format('paid %s to %s, credited %s times: %s to %s', p.amount, p.payee, p.times,
                  p.credited_amount,
                  p.credited_payee)
      FROM paired p
     WHERE NOT p.approved OR p.times <> 1 OR p.payee <> p.credited_payee
         OR p.amount <> p.credited_amount
$$;
