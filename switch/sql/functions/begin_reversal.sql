-- begin_reversal(id, payment, amount, reason) → outcome
--
-- Purpose     Reverses a payment whose payer's money a bank holds: what its payee was paid is
--             reserved, and the bank is told to take it back, which decides the reversal.
-- Parameters  p_id  the reversal's id, its key too; p_payment  what is reversed; p_amount  minor
--             units; p_reason  for the record
-- Returns     null while it waits for the bank, else ledger.outcome.code; for a repeat with the
--             same id what is known of it; SW001 when the id was spent on something else
-- Locks       the key claim; the caller has locked both accounts and the payment's state
-- Tables      as claim_payment; reads account; inserts payment; as begin_refund
CREATE OR REPLACE FUNCTION ledger.begin_reversal(
    p_id uuid, p_payment ledger.payment, p_amount bigint, p_reason text) RETURNS smallint
LANGUAGE plpgsql
AS $$
DECLARE
    v_claim  record;
    v_source ledger.account;
    v_payee  ledger.account;
    v_taker  uuid;
    v_step   ledger.payment;
BEGIN
    SELECT * INTO v_claim
      FROM ledger.claim_payment(p_id, 103::smallint, p_payment.payee, p_payment.payer, p_amount,
                                p_payment.id);
    IF v_claim.is_known THEN
        RETURN v_claim.outcome;
    END IF;
    PERFORM ledger.fold_or_refuse(ARRAY[p_payment.payee]);
    SELECT * INTO STRICT v_source FROM ledger.account WHERE shard = 0 AND id = p_payment.payee;
    SELECT * INTO STRICT v_payee FROM ledger.account WHERE shard = 0 AND id = p_payment.payer;
    v_taker := ledger.bank_position(0::smallint, v_payee);
    v_step.created_at := ledger.decision_time();
    v_step.outcome := CASE
        WHEN v_source.lifecycle = 'closed' THEN 80
        WHEN v_payee.lifecycle <> 'open' THEN 90
        WHEN v_source.balance - p_amount < v_source.held + v_source.floor THEN 130
        WHEN v_taker IS NULL
            OR NOT ledger.may_call_bank(v_payee.participant_no, 2::smallint,
                                        ledger.bank_credits_max()) THEN 140
        ELSE 0
    END;
    v_step.amount := p_amount;
    v_step.participant_no := 0;
    v_step.shard := 0;
    v_step.type := 103;
    v_step.answer_version := 1;
    v_step.id := p_id;
    v_step.payer := v_source.id;
    v_step.payee := v_payee.id;
    v_step.parent := p_payment.id;
    v_step.currency := p_payment.currency;
    v_step.key := p_id::text;
    v_step.description := p_reason;
    IF v_step.outcome = 0 THEN
        PERFORM ledger.begin_refund(v_step, v_source.id, v_taker);
        RETURN null;
    END IF;
    INSERT INTO ledger.payment SELECT v_step.*;
    RETURN v_step.outcome;
END $$;
