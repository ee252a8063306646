-- has_backlog(shard, accounts[]) → boolean
--
-- Purpose     Whether more credits wait for some accounts than one call may add up.
-- Parameters  p_shard, p_accounts
-- Returns     true if more than fold_call_max() wait for all of them together
-- Locks       none
-- Tables      reads unfolded_credit
CREATE OR REPLACE FUNCTION ledger.has_backlog(p_shard smallint, p_accounts uuid[]) RETURNS boolean
LANGUAGE sql STABLE
SET enable_seqscan = off  -- the queue's statistics are those of an empty table, it is not always
AS $$
    SELECT count(*) > ledger.fold_call_max()
      FROM (SELECT FROM ledger.unfolded_credit
             WHERE shard = p_shard AND payee = ANY (p_accounts)
             LIMIT ledger.fold_call_max() + 1) waiting
$$;
