-- time_of(id) → timestamptz
--
-- Purpose     When a UUIDv7 was made, for a page that begins behind one that is not known here.
-- Parameters  p_id  a UUID, null for none
-- Returns     the milliseconds of its first 48 bits; null for null
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.time_of(p_id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT
AS $$
    SELECT to_timestamp(('x' || left(translate(p_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;
