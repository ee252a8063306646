-- add_payment_request(participant_no, id, …what is asked…)
--
-- Purpose     Asks for a payment, for a message whose key is claimed and whose sender can_ask.
-- Parameters  as the columns of payment_request; CHECK asked_for_some_time is violated where
--             p_not_after has come
-- Returns     nothing
-- Locks       none
-- Tables      inserts payment_request
CREATE OR REPLACE FUNCTION ledger.add_payment_request(
    p_participant_no integer, p_id uuid, p_payee uuid, p_payee_name text, p_currency text,
    p_amount bigint, p_amount_min bigint, p_reference text, p_description text,
    p_not_after timestamptz, p_late_fee bigint, p_late_at timestamptz)
RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO ledger.payment_request
        (id, participant_no, payee, payee_name, currency, amount, amount_min, reference,
         description, not_after, late_fee, late_at, created_at)
    VALUES (p_id, p_participant_no, p_payee, p_payee_name, p_currency, p_amount, p_amount_min,
            p_reference, p_description, p_not_after, p_late_fee, p_late_at,
            ledger.decision_time())
$$;
