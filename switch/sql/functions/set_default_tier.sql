-- set_default_tier(kind, name, currency)
--
-- Purpose     Which tier an account of a kind gets when none is chosen.
-- Parameters  p_kind  of account; p_name  of the tier; p_currency, null for every currency the tier
--             has
-- Returns     for how many currencies it was set; SW001 when there is no such tier or kind
-- Locks       the rows set
-- Tables      reads tier; inserts or updates tier_default
CREATE OR REPLACE FUNCTION ledger.set_default_tier(p_kind text, p_name text, p_currency text)
    RETURNS bigint
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_count bigint;
BEGIN
    IF p_kind NOT IN ('wallet', 'merchant', 'government', 'position') THEN
        PERFORM ledger.refuse(format('accounts of kind "%s" have no tiers', p_kind),
                              'use wallet, merchant, government or position');
    END IF;
    INSERT INTO ledger.tier_default (kind, currency, tier)
    SELECT p_kind, t.currency, t.name FROM ledger.tier t
     WHERE t.name = p_name AND t.currency = coalesce(p_currency, t.currency)
        ON CONFLICT (kind, currency) DO UPDATE SET tier = excluded.tier;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count = 0 THEN
        PERFORM ledger.refuse(format('there is no tier "%s"', concat_ws(' ', p_name, p_currency)),
                              'make it with `switch tier set`');
    END IF;
    RETURN v_count;
END $$;
