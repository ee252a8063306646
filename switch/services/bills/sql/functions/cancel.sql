-- cancel(participant_no, key, digest, bill) → (disposition, subject)
--
-- Purpose     Cancels a bill for its biller's signed message, once a key; what was paid stays paid.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_bill
-- Returns     as ledger.cancel_payment_request; subject  the bill where disposition is 0 or 1
-- Locks       as ledger.cancel_payment_request
-- Tables      reads bill; as ledger.cancel_payment_request
CREATE OR REPLACE FUNCTION bills.cancel(
    p_participant_no integer, p_key text, p_digest bytea, p_bill uuid,
    OUT disposition smallint, OUT subject uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM bills.bill b WHERE b.id = p_bill) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, subject
      FROM ledger.cancel_payment_request(p_participant_no, p_key, p_digest, p_bill) c;
END $$;
