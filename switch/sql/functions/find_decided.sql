-- find_decided(ids[]) → ids
--
-- Purpose     Which payments that waited for a bank are decided by now.
-- Parameters  p_ids
-- Returns     their ids
-- Locks       none
-- Tables      reads payment
CREATE OR REPLACE FUNCTION ledger.find_decided(p_ids uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT id FROM ledger.payment WHERE shard = 0 AND id = ANY (p_ids)
$$;
