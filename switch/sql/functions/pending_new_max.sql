-- pending_new_max() → integer
--
-- Purpose   How many payments may wait until what they need is reserved, which takes a moment; more
--           are there only while nobody begins them.
-- Returns   payments
-- Locks     none
-- Tables    none
CREATE OR REPLACE FUNCTION ledger.pending_new_max() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 10000 $$;
