-- begin_account(participant_no, key, account, kind, currency, reference, tier) → account_operation
--
-- Purpose     The row of a new account, and what its opening is answered.
-- Parameters  p_participant_no, p_key  whose message, and its key, claimed by this transaction for
--             p_account; p_tier  all null for none
-- Returns     what is answered
-- Locks       none
-- Tables      inserts account, account_operation
CREATE OR REPLACE FUNCTION ledger.begin_account(
    p_participant_no integer, p_key text, p_account uuid, p_kind text, p_currency text,
    p_reference text, p_tier ledger.tier) RETURNS ledger.account_operation
LANGUAGE plpgsql
AS $$
DECLARE
    v_operation ledger.account_operation;
BEGIN
    INSERT INTO ledger.account (participant_no, id, kind, currency, tier, reference, created_at)
    VALUES (p_participant_no, p_account, p_kind, p_currency, p_tier.name, p_reference,
            ledger.decision_time());
    INSERT INTO ledger.account_operation
        (participant_no, key, account, operation, status, tier, payment_limit, daily_limit,
         yearly_limit, balance_limit, decided_at)
    SELECT p_participant_no, p_key, a.id, 'open', 'open', a.tier, p_tier.payment_limit,
           p_tier.daily_limit, p_tier.yearly_limit, p_tier.balance_limit, a.created_at
      FROM ledger.account a WHERE a.shard = 0 AND a.id = p_account
    RETURNING * INTO v_operation;
    RETURN v_operation;
END $$;
