-- has_ended(fund, at) → boolean
--
-- Purpose     Whether a purse's purpose or a campaign is over, so that no money is to come to it.
-- Parameters  p_fund  the account's id; p_at  the time of the decision
-- Returns     false for any other account
-- Locks       none
-- Tables      reads purse, campaign
CREATE OR REPLACE FUNCTION ledger.has_ended(p_fund uuid, p_at timestamptz) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM ledger.purse WHERE id = p_fund AND not_after <= p_at)
        OR EXISTS (SELECT FROM ledger.campaign WHERE id = p_fund AND not_after <= p_at)
$$;
