-- asked_at(request, at) → bigint
--
-- Purpose     How much a payment request asks in all at a moment: with the late fee from its time
--             on, unless all was paid before. Who paid a part late owes the fee to the end.
-- Parameters  request; at
-- Returns     minor units of its currency; null for a null request
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.asked_at(request ledger.payment_request, at timestamptz)
RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT request.amount
         + CASE WHEN request.is_late OR (request.late_at <= at AND request.paid < request.amount)
                THEN request.late_fee ELSE 0 END
$$;
