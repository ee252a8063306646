-- check_requests() → (check_name, subject, detail)
--
-- Purpose     Each payment request counts the payments that were approved for it: they add up to
--             what it says is paid, and some are late if it says so; each is to its payee, in its
--             currency, and money that moved.
-- Returns     one row a deviation
-- Locks       none
-- Tables      reads payment, payment_request
CREATE OR REPLACE FUNCTION ledger.check_requests()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE
AS $$
    WITH given AS MATERIALIZED (
        SELECT y.id, y.request, y.payee, y.amount, y.currency, y.hold_seconds, y.created_at
          FROM ledger.payment y
         WHERE y.request IS NOT NULL AND y.outcome = 0
    )
    SELECT 'request_paid', r.id::text,
           format('the payment request counts %s, its payments add up to %s', r.paid,
                  coalesce(sum(g.amount), 0))
      FROM ledger.payment_request r LEFT JOIN given g ON g.request = r.id
     GROUP BY r.id
    HAVING r.paid <> coalesce(sum(g.amount), 0)
     UNION ALL
    SELECT 'request', g.id::text,
           format('the payment is not one that request %s asks for', g.request)
      FROM given g LEFT JOIN ledger.payment_request r ON r.id = g.request
     WHERE r.id IS NULL OR r.payee <> g.payee OR r.currency <> g.currency
        OR g.hold_seconds IS NOT NULL
     UNION ALL
    SELECT 'request_late', r.id::text, 'whether something was paid late is not what it says'
      FROM ledger.payment_request r
     WHERE r.is_late <> EXISTS (SELECT FROM given g
                                 WHERE g.request = r.id AND g.created_at >= r.late_at)
$$;
