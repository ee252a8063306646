-- fold_items_max() → integer
--
-- Purpose     How many credits one posting adds up at most. A fold's row stays under 24 KiB, which
--             is all that a page of a statement reads beyond its own lines, and a busy payee's row
--             is still changed a thousand times more rarely than it is paid.
-- Returns     the number
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.fold_items_max() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT 1000
$$;
