-- id_at(at) → uuid
--
-- Purpose     The lowest UUIDv7 of an instant, to find rows by the time in their ids.
-- Parameters  p_at  an instant, null for none
-- Returns     48 bits of milliseconds, the version, zeros; null for null
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.id_at(p_at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT
AS $$
    SELECT (lpad(to_hex(greatest(0, floor(extract(epoch FROM p_at) * 1000))::bigint), 12, '0')
            || '70008000000000000000')::uuid
$$;
