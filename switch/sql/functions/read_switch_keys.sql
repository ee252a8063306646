-- read_switch_keys() → one row a key
--
-- Purpose  The public halves of the switch's own keys, old ones included.
-- Returns  name, public_key, not_before, not_after, newest first
-- Locks    none
-- Tables   reads switch_key
CREATE OR REPLACE FUNCTION ledger.read_switch_keys()
RETURNS TABLE (name text, public_key bytea, not_before timestamptz, not_after timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$ SELECT name, public_key, not_before, not_after FROM ledger.switch_key
    ORDER BY not_before DESC, name $$;
