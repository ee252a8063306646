-- cancel_payment_request(participant_no, key, digest, request) → one row
--
-- Purpose     Asks for a payment no more, for a participant's signed message, once a key. Nothing
--             is paid after this was committed: whoever decides holds the request's lock. What was
--             paid stays paid, and a request that is paid in full stays so. A service calls this
--             in its own function, whose caller it has checked.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_request
-- Returns     disposition  0 cancelled now (or paid before, or cancelled), 1 asked for before by
--             the same message, 2 the key was spent on something else, 4 no payment request of this
--             participant (no key spent), 5 barred; subject  as claim_request_key; request  as it
--             is now, where disposition is 0 or 1
-- Locks       the key claim, then the payment request
-- Tables      inserts key_claim; updates payment_request
CREATE OR REPLACE FUNCTION ledger.cancel_payment_request(
    p_participant_no integer, p_key text, p_digest bytea, p_request uuid,
    OUT disposition smallint, OUT subject uuid, OUT request ledger.payment_request)
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.payment_request r
                    WHERE r.id = p_request AND r.participant_no = p_participant_no) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_request_key(p_participant_no, p_key, p_digest, p_request);
    IF disposition = 0 THEN
        UPDATE ledger.payment_request r SET cancelled_at = ledger.decision_time()
         WHERE r.id = p_request AND r.cancelled_at IS NULL
           AND r.paid < ledger.asked_at(r, ledger.decision_time());
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT request FROM ledger.payment_request r WHERE r.id = subject;
    END IF;
END $$;
