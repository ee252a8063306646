-- check_books() → (check_name, subject, detail)
--
-- Purpose     Proves the books in the caller's one snapshot: conservation, floors, every balance
--             and running balance re-derived from the transfers, every credit exactly once, every
--             hold and step with the payment that it belongs to, every decision with its key,
--             every mandate with what was taken by it, every payment request with what was paid for
--             it, every payment with the parts that others paid and were credited, every coupon
--             with its uses.
-- Returns     one row a deviation, none when the books are right
-- Locks       none
-- Tables      reads account, payment, payment_state, key_claim, unfolded_credit, fold, mandate,
--             payment_request, draw, split, purse, coupon, campaign
CREATE OR REPLACE FUNCTION ledger.check_books()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp SET work_mem = '128MB'
AS $$
    SELECT * FROM ledger.check_conservation()
     UNION ALL
    SELECT * FROM ledger.check_postings()
     UNION ALL
    SELECT * FROM ledger.check_credits()
     UNION ALL
    SELECT * FROM ledger.check_holds()
     UNION ALL
    SELECT * FROM ledger.check_decisions()
     UNION ALL
    SELECT * FROM ledger.check_mandates()
     UNION ALL
    SELECT * FROM ledger.check_requests()
     UNION ALL
    SELECT * FROM ledger.check_parts()
$$;
