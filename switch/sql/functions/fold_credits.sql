-- fold_credits(shard, limit) → (credits, accounts)
--
-- Purpose     Adds waiting credits to their accounts' balances. Safe to run twice at once: an
--             account that somebody else holds is left for the next time.
-- Parameters  p_shard; p_limit  how many waiting credits to fold at most: a backlog of any size is
--             folded in calls that each hold their locks for a bounded time. Four times as many are
--             looked at, and as few accounts taken as have the credits: what a posting costs is
--             shared by more of them.
-- Returns     credits folded, p_limit of them if there may be more; accounts looked at
-- Locks       accounts in id order (those that are free), then their unfolded credits
-- Tables      reads and deletes unfolded_credit; updates account; inserts fold
CREATE OR REPLACE FUNCTION ledger.fold_credits(
    p_shard smallint, p_limit integer,
    OUT credits bigint, OUT accounts bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_seen     uuid[] := '{}';
    v_payees   uuid[];
    v_accounts uuid[];
BEGIN
    -- If all the credits looked at are of locked accounts, those behind them have their turn.
    LOOP
        v_payees := ARRAY(SELECT c.payee
                            FROM (SELECT payee, sum(count(*)) OVER (ORDER BY payee) - count(*)
                                             AS before
                                    FROM (SELECT payee FROM ledger.unfolded_credit
                                           WHERE shard = p_shard AND payee <> ALL (v_seen)
                                           LIMIT 4 * p_limit) looked_at
                                   GROUP BY payee) c
                           WHERE c.before < p_limit);
        SELECT array_agg(a.id) INTO v_accounts
          FROM (SELECT id FROM ledger.account
                 WHERE shard = p_shard AND id = ANY (v_payees)
                 ORDER BY id
                   FOR NO KEY UPDATE SKIP LOCKED) a;
        EXIT WHEN v_accounts IS NOT NULL OR v_payees = '{}' OR cardinality(v_seen) >= 4 * p_limit;
        v_seen := v_seen || v_payees;
    END LOOP;
    credits := ledger.fold_accounts(p_shard, coalesce(v_accounts, '{}'), p_limit);
    accounts := coalesce(cardinality(v_accounts), 0);
END $$;
