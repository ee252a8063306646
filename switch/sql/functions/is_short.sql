-- is_short(shard, account, amount, at) → boolean
--
-- Purpose     Whether a debit is more than an account may spend, once holds past their time are
--             released and all that waits for it is added up; both only if it matters.
-- Parameters  p_shard; p_account  as it was read, locked by this transaction; p_amount  minor
--             units; p_at  the time of the decision
-- Returns     true if it is; SW003 when more credits wait than one call adds up
-- Locks       as release_all and fold_accounts
-- Tables      as release_all and fold_accounts; reads account
CREATE OR REPLACE FUNCTION ledger.is_short(
    p_shard smallint, p_account ledger.account, p_amount bigint, p_at timestamptz) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    v_account ledger.account := p_account;
BEGIN
    IF v_account.balance - p_amount < v_account.held + v_account.floor THEN
        PERFORM ledger.release_all(p_shard, ARRAY[v_account.id], p_at);
        PERFORM ledger.fold_all(p_shard, v_account.id, p_at);
        SELECT * INTO STRICT v_account FROM ledger.account
         WHERE shard = p_shard AND id = v_account.id;
    END IF;
    RETURN v_account.balance - p_amount < v_account.held + v_account.floor;
END $$;
