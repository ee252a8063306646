-- key_validity_days_max() → integer
--
-- Purpose     For how many days, from the moment it is introduced, a participant's key is good at
--             most; keys that the operator adds are not bound by it.
-- Returns     the operator's setting
-- Locks       none
-- Tables      reads setting
CREATE OR REPLACE FUNCTION ledger.key_validity_days_max() RETURNS integer
LANGUAGE sql STABLE
AS $$ SELECT value::integer FROM ledger.setting WHERE name = 'key_validity_days_max' $$;
