-- decision_time() → timestamptz
--
-- Purpose   The one clock of the ledger: whatever is decided, expires or falls on a day, does so by
--           this time.
-- Returns   The present time; once a batch, so that all its decisions carry the same.
-- Locks     none
-- Tables    none
CREATE OR REPLACE FUNCTION ledger.decision_time() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$ SELECT clock_timestamp() $$;
