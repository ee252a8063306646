-- is_day_spent(shard, account, amount, day, at) → boolean
--
-- Purpose     Whether an amount is more than an account may spend on a day by its tier, once holds
--             past their time have given theirs back; that only if it matters.
-- Parameters  p_shard; p_account  as it was read, locked by this transaction; p_amount  minor
--             units; p_day  local; p_at  the time of the decision
-- Returns     true if it is
-- Locks       as release_all
-- Tables      as release_all; reads account, tier
CREATE OR REPLACE FUNCTION ledger.is_day_spent(
    p_shard smallint, p_account ledger.account, p_amount bigint, p_day date, p_at timestamptz)
    RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    v_limit constant bigint := (SELECT daily_limit FROM ledger.tier
                                 WHERE name = p_account.tier AND currency = p_account.currency);
    v_spent bigint := CASE WHEN p_account.spent_day = p_day THEN p_account.spent_today ELSE 0 END;
BEGIN
    IF v_spent + p_amount > v_limit AND p_account.held > 0 THEN
        PERFORM ledger.release_all(p_shard, ARRAY[p_account.id], p_at);
        SELECT CASE WHEN spent_day = p_day THEN spent_today ELSE 0 END INTO STRICT v_spent
          FROM ledger.account WHERE shard = p_shard AND id = p_account.id;
    END IF;
    RETURN coalesce(v_spent + p_amount > v_limit, false);
END $$;
