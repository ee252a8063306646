-- taps_of(token, monday) → one row of arrays
--
-- Purpose     The taps of a token in a week, one element a tap.
-- Parameters  p_token; p_monday
-- Returns     days, tapped_at, gates, counters, directions, stations: empty where there is no tap
-- Locks       none
-- Tables      reads tap
CREATE OR REPLACE FUNCTION transit.taps_of(p_token uuid, p_monday date)
RETURNS TABLE (days date[], tapped_at timestamptz[], gates uuid[], counters bigint[],
               directions text[], stations text[])
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(array_agg(day), '{}'), coalesce(array_agg(tapped_at), '{}'),
           coalesce(array_agg(gate), '{}'), coalesce(array_agg(counter), '{}'),
           coalesce(array_agg(direction), '{}'), coalesce(array_agg(station), '{}')
      FROM transit.tap
     WHERE token = p_token AND day BETWEEN p_monday AND p_monday + 6
$$;
