-- fold_call_max() → integer
--
-- Purpose     How many credits one call adds up at most: a third of a second under the locks.
-- Returns     the number
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.fold_call_max() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT 30000
$$;
