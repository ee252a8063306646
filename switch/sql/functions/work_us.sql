-- work_us() → microseconds
--
-- Purpose  How long the ledger has worked on a statement so far, for the timeline of what it
--          decides.
-- Returns  microseconds since the statement arrived here, waiting for locks included
-- Locks    none
-- Tables   none
CREATE OR REPLACE FUNCTION ledger.work_us() RETURNS integer
LANGUAGE sql VOLATILE
AS $$
    SELECT least(2147483647, extract(epoch FROM clock_timestamp() - statement_timestamp())
                                 * 1000000)::integer
$$;
