-- read_page(id) → one row
--
-- Purpose     What anybody may see of a check-out whose id he was told.
-- Parameters  p_id
-- Returns     request, page_url, return_url; participant  who opened it. No row where there is no
--             such check-out
-- Locks       none
-- Tables      reads checkout, payment_request, participant
CREATE OR REPLACE FUNCTION checkout.read_page(p_id uuid)
RETURNS TABLE (request ledger.payment_request, page_url text, return_url text, participant text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = checkout, pg_temp
AS $$
    SELECT r, c.page_url, c.return_url, p.id
      FROM checkout.checkout c
      JOIN ledger.payment_request r ON r.id = c.id
      JOIN ledger.participant p ON p.participant_no = c.participant_no
     WHERE c.id = p_id
$$;
