-- list_tiers() → one row a tier and currency
--
-- Purpose  The operator's list.
-- Returns  name, currency, payment_limit, daily_limit, yearly_limit, balance_limit, choosable,
--          default_for (kinds of accounts)
-- Locks    none
-- Tables   reads tier, tier_default
CREATE OR REPLACE FUNCTION ledger.list_tiers()
RETURNS TABLE (name text, currency text, payment_limit bigint, daily_limit bigint,
               yearly_limit bigint, balance_limit bigint, choosable boolean, default_for text[])
LANGUAGE sql STABLE SET search_path = ledger, pg_temp
AS $$
    SELECT t.name, t.currency, t.payment_limit, t.daily_limit, t.yearly_limit, t.balance_limit,
           t.choosable,
           ARRAY(SELECT d.kind FROM ledger.tier_default d
                  WHERE d.tier = t.name AND d.currency = t.currency ORDER BY d.kind)
      FROM ledger.tier t
     ORDER BY t.name, t.currency
$$;
