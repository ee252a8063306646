-- set_time_zone(name)
--
-- Purpose     Changes the time zone on whose days limits count; counts from the next decision on.
-- Parameters  p_name  a name of the IANA time zone database
-- Returns     nothing; SW001 when Postgres does not know it
-- Locks       the setting
-- Tables      updates setting
CREATE OR REPLACE FUNCTION ledger.set_time_zone(p_name text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = p_name) THEN
        PERFORM ledger.refuse(format('"%s" is no time zone', p_name),
                              'use an IANA name such as Asia/Shanghai');
    END IF;
    UPDATE ledger.setting SET value = p_name WHERE name = 'time_zone';
END $$;
