-- open_checkout(participant_no, key, digest, id, …what is asked…, page_url, return_url) → one row
--
-- Purpose     Opens a check-out for a participant's signed message, once a key.
-- Parameters  p_participant_no … p_not_after  as ledger.ask_payment; p_page_url, p_return_url  as
--             the columns of checkout
-- Returns     disposition, subject, request  as ledger.ask_payment; page_url, return_url  those of
--             the check-out where disposition is 0 or 1
-- Locks       the key claim
-- Tables      inserts and reads checkout; as ledger.ask_payment
CREATE OR REPLACE FUNCTION checkout.open_checkout(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_payee uuid,
    p_payee_name text, p_currency text, p_amount bigint, p_amount_min bigint, p_reference text,
    p_description text, p_not_after timestamptz, p_page_url text, p_return_url text,
    OUT disposition smallint, OUT subject uuid, OUT request ledger.payment_request,
    OUT page_url text, OUT return_url text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = checkout, pg_temp
AS $$
DECLARE
    v_asked record;
BEGIN
    SELECT * INTO STRICT v_asked
      FROM ledger.ask_payment(p_participant_no, p_key, p_digest, p_id, p_payee, p_payee_name,
                              p_currency, p_amount, p_amount_min, p_reference, p_description,
                              p_not_after);
    disposition := v_asked.disposition;
    subject := v_asked.subject;
    request := v_asked.request;
    IF disposition = 0 THEN
        INSERT INTO checkout.checkout (id, participant_no, page_url, return_url)
        VALUES (p_id, p_participant_no, p_page_url, p_return_url);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT c.page_url, c.return_url INTO STRICT page_url, return_url
          FROM checkout.checkout c WHERE c.id = subject;
    END IF;
END $$;
