-- set_tier(name, currency, payment_limit, daily_limit, yearly_limit, balance_limit, choosable)
--
-- Purpose     Makes a tier or changes it as a whole; counts from the next decision on.
-- Parameters  the limits in minor units, null for none; p_choosable  whether participants may
--             choose it
-- Returns     nothing; SW001 when the name or a limit cannot be
-- Locks       the tier
-- Tables      inserts or updates tier
CREATE OR REPLACE FUNCTION ledger.set_tier(
    p_name text, p_currency text, p_payment_limit bigint, p_daily_limit bigint,
    p_yearly_limit bigint, p_balance_limit bigint, p_choosable boolean) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    IF p_name !~ '^[a-z0-9][a-z0-9-]{0,31}$' THEN
        PERFORM ledger.refuse(format('"%s" is no tier name', p_name),
                              'use up to 32 of a-z, 0-9 and "-"');
    ELSIF least(p_payment_limit, p_daily_limit, p_yearly_limit, p_balance_limit) < 0 THEN
        PERFORM ledger.refuse('a limit is negative',
                              'give minor units from 0 on, or leave the limit out');
    END IF;
    INSERT INTO ledger.tier (name, currency, payment_limit, daily_limit, yearly_limit,
                             balance_limit, choosable)
    VALUES (p_name, p_currency, p_payment_limit, p_daily_limit, p_yearly_limit, p_balance_limit,
            p_choosable)
        ON CONFLICT (name, currency) DO UPDATE
       SET payment_limit = excluded.payment_limit, daily_limit = excluded.daily_limit,
           yearly_limit = excluded.yearly_limit, balance_limit = excluded.balance_limit,
           choosable = excluded.choosable;
END $$;
