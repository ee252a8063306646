-- check_postings() → (check_name, subject, detail)
--
-- Purpose     Each account's postings are numbered from 1 without gaps up to its count, each begins
--             at the balance at which the one before it ended, and the last ends at the account's
--             balance.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads account, transfer, draw, fold
CREATE OR REPLACE FUNCTION ledger.check_postings()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    WITH posting AS (
        SELECT y.shard, y.payer AS account, y.payer_posting_no AS posting_no,
               y.payer_balance_after + y.debited AS opening, y.payer_balance_after AS closing
          FROM ledger.transfer y
         UNION ALL
        SELECT d.shard, d.account, d.posting_no, d.balance_after + d.amount, d.balance_after
          FROM ledger.draw d
         UNION ALL
        SELECT f.shard, f.account, f.posting_no, f.opening_balance,
               f.opening_balance + (SELECT sum(amount) FROM unnest(f.amounts) AS amount)
          FROM ledger.fold f
    ), chained AS (
        SELECT p.*,
               lag(p.closing, 1, 0) OVER account AS before,
               row_number() OVER account AS expected_no
          FROM posting p
        WINDOW account AS (PARTITION BY p.shard, p.account ORDER BY p.posting_no)
    ), last AS (
        SELECT c.shard, c.account, max(c.posting_no) AS posting_no, sum(c.closing - c.opening)
               AS total
          FROM chained c
         GROUP BY c.shard, c.account
    )
    SELECT 'posting_gap', c.account::text,
           format('posting %s stands where %s is due', c.posting_no, c.expected_no)
      FROM chained c
     WHERE c.posting_no <> c.expected_no
     UNION ALL
    SELECT 'running_balance', c.account::text,
           format('posting %s begins at %s, the one before it ended at %s', c.posting_no, c.opening,
                  c.before)
      FROM chained c
     WHERE c.opening <> c.before
     UNION ALL
    SELECT 'posting_count', a.id::text,
           format('the account counts %s postings, there are %s', a.posting_count,
                  coalesce(l.posting_no, 0))
      FROM ledger.account a
      LEFT JOIN last l ON l.shard = a.shard AND l.account = a.id
     WHERE a.posting_count <> coalesce(l.posting_no, 0)
     UNION ALL
    SELECT 'balance', a.id::text,
           format('the account says %s, its transfers add up to %s', a.balance,
                  coalesce(l.total, 0))
      FROM ledger.account a
      LEFT JOIN last l ON l.shard = a.shard AND l.account = a.id
     WHERE a.balance <> coalesce(l.total, 0)
     UNION ALL
    SELECT 'account_missing', l.account::text,
           format('%s postings belong to no account', l.posting_no)
      FROM last l
     WHERE NOT EXISTS (SELECT FROM ledger.account a WHERE a.shard = l.shard AND a.id = l.account)
$$;
