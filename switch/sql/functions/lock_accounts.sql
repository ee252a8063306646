-- lock_accounts(shard, accounts[]) → one row of arrays
--
-- Purpose     Locks, in one order, every account whose balance a batch may change, and reads what it decides by.
-- Parameters  p_shard, p_accounts  the accounts, in any order, repeated or not
-- Returns     of each locked account: ids, balances, bounds (held + floor: what the balance may not fall below),
--             postings, spent and spent_days, verdicts (payer_frozen, payer_closed or 0: its state as a payer, now
--             that it cannot change), daily_limits and balance_limits of its tier (null for none)
-- Locks       accounts in id order, FOR NO KEY UPDATE
-- Tables      reads account, tier
CREATE OR REPLACE FUNCTION ledger.lock_accounts(
    p_shard smallint, p_accounts uuid[],
    OUT ids uuid[], OUT balances bigint[], OUT bounds bigint[], OUT postings bigint[], OUT spent bigint[],
    OUT spent_days date[], OUT verdicts smallint[], OUT daily_limits bigint[], OUT balance_limits bigint[])
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    SELECT array_agg(a.id), array_agg(a.balance), array_agg(a.held + a.floor), array_agg(a.posting_count),
           array_agg(a.spent_today), array_agg(a.spent_day),
           array_agg(CASE WHEN a.frozen_by IS NOT NULL THEN 70 WHEN a.lifecycle <> 'open' THEN 80 ELSE 0 END),
           array_agg(t.daily_limit), array_agg(t.balance_limit)
      INTO ids, balances, bounds, postings, spent, spent_days, verdicts, daily_limits, balance_limits
      FROM (SELECT id, balance, held, floor, posting_count, spent_today, spent_day, frozen_by, lifecycle, tier, currency
              FROM ledger.account
             WHERE shard = p_shard AND id = ANY (p_accounts)
             ORDER BY id
               FOR NO KEY UPDATE) a
      LEFT JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency;
END $$;
