-- check_tier(kind, tier, currency)
--
-- Purpose     Refuses a tier that does not exist, and any for an account that its bank limits,
--             or its purpose.
-- Parameters  p_kind  of account; p_tier  null for none; p_currency
-- Returns     nothing; SW001 when there is no such tier in this currency
-- Locks       none
-- Tables      reads tier
CREATE OR REPLACE FUNCTION ledger.check_tier(p_kind text, p_tier text, p_currency text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF p_tier IS NOT NULL AND p_kind = 'external' THEN
        PERFORM ledger.refuse('an external account has no tier: its bank decides what it may pay',
                              'leave the tier out');
    ELSIF p_tier IS NOT NULL AND p_kind IN ('purse', 'campaign') THEN
        PERFORM ledger.refuse('purses and campaigns have no tier: their purpose limits them',
                              'leave the tier out');
    ELSIF p_tier IS NOT NULL AND NOT EXISTS (SELECT FROM ledger.tier WHERE name = p_tier
                                          AND currency = p_currency) THEN
        PERFORM ledger.refuse(format('there is no tier "%s" in %s', p_tier, p_currency),
                              'see `switch tier list`, or make it with `switch tier set`');
    END IF;
END $$;
