-- fold_all(shard, account, at)
--
-- Purpose     Adds up all waiting credits of an account for a decision about it.
-- Parameters  p_shard; p_account  locked by this transaction; p_at  the time of the decision
-- Returns     nothing; SW003, and nothing added, when more wait than one call adds up; the detail
--             names the account, for fold_backlog
-- Locks       the account's unfolded credits
-- Tables      as fold_accounts
CREATE OR REPLACE FUNCTION ledger.fold_all(p_shard smallint, p_account uuid, p_at timestamptz)
    RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF ledger.has_backlog(p_shard, ARRAY[p_account]) THEN
        RAISE EXCEPTION 'more credits wait than one call adds up'
            USING ERRCODE = 'SW003', DETAIL = ARRAY[p_account]::text;
    END IF;
    PERFORM ledger.fold_accounts(p_shard, ARRAY[p_account], NULL, p_at);
END $$;
