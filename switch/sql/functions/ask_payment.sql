-- ask_payment(participant_no, key, digest, id, …what is asked…) → one row
--
-- Purpose     Asks for a payment to an account of a participant, for its signed message, once a
--             key. A service calls this in its own function, whose caller it has checked.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what the payment request is called if this message makes it;
--             p_payee … p_late_at  as the columns of payment_request
-- Returns     disposition  0 asked now, 1 asked before by the same message, 2 the key was spent on
--             something else, 4 the payee is no account of the participant, of this currency, that
--             can be paid here (no key spent), 5 the key is barred; request  as it is now, where
--             disposition is 0 or 1; subject  as claim_request_key. CHECK asked_for_some_time is
--             violated, and nothing spent, where p_not_after has come
-- Locks       the key claim
-- Tables      as can_ask, claim_request_key and add_payment_request
CREATE OR REPLACE FUNCTION ledger.ask_payment(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_payee uuid,
    p_payee_name text, p_currency text, p_amount bigint, p_amount_min bigint, p_reference text,
    p_description text, p_not_after timestamptz, p_late_fee bigint DEFAULT NULL,
    p_late_at timestamptz DEFAULT NULL,
    OUT disposition smallint, OUT subject uuid, OUT request ledger.payment_request)
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT ledger.can_ask(p_participant_no, p_payee, p_currency) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_request_key(p_participant_no, p_key, p_digest, p_id);
    IF disposition = 0 THEN
        PERFORM ledger.add_payment_request(
            p_participant_no, p_id, p_payee, p_payee_name, p_currency, p_amount, p_amount_min,
            p_reference, p_description, p_not_after, p_late_fee, p_late_at);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT request FROM ledger.payment_request r WHERE r.id = subject;
    END IF;
END $$;
