-- fold_credits(shard, limit) → (credits, accounts)
--
-- Purpose     Adds waiting credits to their accounts' balances. Safe to run twice at once: an
--             account that somebody else holds is left for the next time.
-- Parameters  p_shard; p_limit  how many waiting credits to look at, and to fold at most: a backlog
--             of any size is folded in calls that each hold their locks for a bounded time
-- Returns     credits folded, p_limit of them if there may be more; accounts looked at
-- Locks       accounts in id order (those that are free), then their unfolded credits
-- Tables      reads and deletes unfolded_credit; updates account; inserts fold
CREATE OR REPLACE FUNCTION ledger.fold_credits(
    p_shard smallint, p_limit integer,
    OUT credits bigint, OUT accounts bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_accounts uuid[];
BEGIN
    SELECT array_agg(a.id) INTO v_accounts
      FROM (SELECT id FROM ledger.account
             WHERE shard = p_shard
               AND id = ANY (ARRAY(SELECT DISTINCT c.payee
                                     FROM (SELECT payee FROM ledger.unfolded_credit
                                            WHERE shard = p_shard LIMIT p_limit) c))
             ORDER BY id
               FOR NO KEY UPDATE SKIP LOCKED) a;
    credits := ledger.fold_accounts(p_shard, coalesce(v_accounts, '{}'), p_limit);
    accounts := coalesce(cardinality(v_accounts), 0);
END $$;
