-- set_key_validity_max(days)
--
-- Purpose     Changes how long a key that is introduced may be good; keys that are there stay as
--             they are.
-- Parameters  p_days  from 1 to 3660
-- Returns     nothing; SW001 when it is another number
-- Locks       the setting
-- Tables      updates setting
CREATE OR REPLACE FUNCTION ledger.set_key_validity_max(p_days integer) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    IF p_days IS NULL OR p_days NOT BETWEEN 1 AND 3660 THEN
        PERFORM ledger.refuse(format('a key cannot be good for %s days', p_days),
                              'use 1 to 3660');
    END IF;
    UPDATE ledger.setting SET value = p_days WHERE name = 'key_validity_days_max';
END $$;
