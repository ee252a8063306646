-- fold_backlog(shard, accounts[]) → number of credits
--
-- Purpose     Adds up waiting credits of accounts for whom more wait than one batch may add, in a
--             transaction of its own, so that each call is progress.
-- Parameters  p_shard, p_accounts  as authorize_batch names them when it refuses with SW003
-- Returns     how many were added, at most fold_call_max()
-- Locks       the accounts in id order, then their unfolded credits
-- Tables      updates account; deletes unfolded_credit; inserts fold
CREATE OR REPLACE FUNCTION ledger.fold_backlog(p_shard smallint, p_accounts uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
BEGIN
    PERFORM FROM ledger.account WHERE shard = p_shard AND id = ANY (p_accounts)
        ORDER BY id FOR NO KEY UPDATE;
    RETURN ledger.fold_accounts(p_shard, p_accounts, ledger.fold_call_max());
END $$;
