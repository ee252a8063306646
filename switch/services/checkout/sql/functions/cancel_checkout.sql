-- cancel_checkout(participant_no, key, digest, id) → one row
--
-- Purpose     Cancels a check-out for a participant's signed message, once a key.
-- Parameters  as ledger.cancel_payment_request
-- Returns     disposition, subject, request  as ledger.cancel_payment_request, 4 also where the
--             request is no check-out; page_url, return_url  those of the check-out where
--             disposition is 0 or 1
-- Locks       as ledger.cancel_payment_request
-- Tables      reads checkout; as ledger.cancel_payment_request
CREATE OR REPLACE FUNCTION checkout.cancel_checkout(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid,
    OUT disposition smallint, OUT subject uuid, OUT request ledger.payment_request,
    OUT page_url text, OUT return_url text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = checkout, pg_temp
AS $$
DECLARE
    v_cancelled record;
BEGIN
    SELECT c.page_url, c.return_url INTO page_url, return_url
      FROM checkout.checkout c WHERE c.id = p_id AND c.participant_no = p_participant_no;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_cancelled
      FROM ledger.cancel_payment_request(p_participant_no, p_key, p_digest, p_id);
    disposition := v_cancelled.disposition;
    subject := v_cancelled.subject;
    request := v_cancelled.request;
END $$;
