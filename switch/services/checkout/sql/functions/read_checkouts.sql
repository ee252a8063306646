-- read_checkouts(participant_no, id, after, limit) → rows
--
-- Purpose     Check-outs as they are now, for the participant that opened them.
-- Parameters  p_participant_no  who asks; p_id  this one, null for all; p_after  only ids after
--             this one; p_limit  how many
-- Returns     request, page_url, return_url  of each, in id order
-- Locks       none
-- Tables      reads checkout, payment_request
CREATE OR REPLACE FUNCTION checkout.read_checkouts(
    p_participant_no integer, p_id uuid, p_after uuid, p_limit integer)
RETURNS TABLE (request ledger.payment_request, page_url text, return_url text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = checkout, pg_temp
AS $$
DECLARE
    v_after constant uuid := coalesce(p_after, '00000000-0000-0000-0000-000000000000');
BEGIN
    IF p_id IS NOT NULL THEN
        RETURN QUERY
            SELECT r, c.page_url, c.return_url
              FROM checkout.checkout c JOIN ledger.payment_request r ON r.id = c.id
             WHERE c.id = p_id AND c.participant_no = p_participant_no;
    ELSE
        RETURN QUERY
            SELECT r, c.page_url, c.return_url
              FROM checkout.checkout c JOIN ledger.payment_request r ON r.id = c.id
             WHERE c.participant_no = p_participant_no AND c.id > v_after
             ORDER BY c.id LIMIT p_limit;
    END IF;
END $$;
