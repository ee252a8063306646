-- service_day(at, day_begins) → date
--
-- Purpose     The service day of an instant: until the next one begins it is still yesterday.
-- Parameters  p_at; p_day_begins  as the network's, in the ledger's time zone
-- Returns     a date
-- Locks       none
-- Tables      reads setting
CREATE OR REPLACE FUNCTION transit.service_day(p_at timestamptz, p_day_begins time) RETURNS date
LANGUAGE sql STABLE
AS $$
    SELECT ((p_at AT TIME ZONE value) - p_day_begins::interval)::date
      FROM ledger.setting WHERE name = 'time_zone'
$$;
