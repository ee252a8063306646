-- participants_version() → bigint
--
-- Purpose  The number that rises with every change of participants and keys; polled by the workers.
-- Returns  the present version
-- Locks    none
-- Tables   reads participants_version
CREATE OR REPLACE FUNCTION ledger.participants_version() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$ SELECT version FROM ledger.participants_version $$;
