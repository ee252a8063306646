-- lock_state(shard, payment) → payment_state
--
-- Purpose     The state of an approved payment, made when this is its first step.
-- Parameters  p_shard; p_payment  the payment, as it was decided
-- Returns     the state, locked
-- Locks       the payment's state; the caller has locked the account that the step debits
-- Tables      inserts and reads payment_state
CREATE OR REPLACE FUNCTION ledger.lock_state(p_shard smallint, p_payment ledger.payment)
RETURNS ledger.payment_state
LANGUAGE plpgsql
AS $$
DECLARE
    v_state ledger.payment_state;
BEGIN
    IF p_payment.hold_expires_at IS NULL THEN
        INSERT INTO ledger.payment_state (shard, payment, payer, decided_at, amount, captured)
        VALUES (p_shard, p_payment.id, p_payment.payer, p_payment.created_at, p_payment.amount,
                p_payment.amount)
            ON CONFLICT DO NOTHING;
    END IF;
    SELECT * INTO STRICT v_state FROM ledger.payment_state
     WHERE shard = p_shard AND payment = p_payment.id
       FOR NO KEY UPDATE;
    RETURN v_state;
END $$;
