-- is_over_limit(shard, account, amount, at) → boolean
--
-- Purpose     Whether a credit would raise an account over the balance that its tier allows.
-- Parameters  p_shard; p_account  as it was read; p_amount  minor units; p_at  the time of the
--             decision
-- Returns     true if it would; SW003 when more credits wait than one call adds up
-- Locks       the account if its balance is capped
-- Tables      reads account, tier; as fold_accounts
CREATE OR REPLACE FUNCTION ledger.is_over_limit(
    p_shard smallint, p_account ledger.account, p_amount bigint, p_at timestamptz) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    v_limit   bigint;
    v_balance bigint;
BEGIN
    SELECT balance_limit INTO v_limit FROM ledger.tier
     WHERE name = p_account.tier AND currency = p_account.currency;
    IF v_limit IS NULL THEN
        RETURN false;
    END IF;
    PERFORM FROM ledger.account WHERE shard = p_shard AND id = p_account.id FOR NO KEY UPDATE;
    PERFORM ledger.fold_all(p_shard, p_account.id, p_at);
    SELECT balance INTO STRICT v_balance FROM ledger.account
     WHERE shard = p_shard AND id = p_account.id;
    RETURN v_balance + p_amount > v_limit;
END $$;
