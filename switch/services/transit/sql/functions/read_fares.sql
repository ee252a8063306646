-- read_fares(network, from_day, to_day) → rows of fare_table
--
-- Purpose     The fare tables of a network that some day of a span has, in the order of their days.
-- Parameters  p_network; p_from_day, p_to_day  both included; null for today, and for no end
-- Returns     no row where there is none
-- Locks       none
-- Tables      reads fare_table, network, setting
CREATE OR REPLACE FUNCTION transit.read_fares(p_network uuid, p_from_day date, p_to_day date)
RETURNS SETOF transit.fare_table
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    WITH span AS (
        SELECT coalesce(p_from_day, transit.service_day(ledger.decision_time(), n.day_begins))
                   AS first_day
          FROM transit.network n WHERE n.id = p_network)
    SELECT f.* FROM transit.fare_table f CROSS JOIN span s
     WHERE f.network = p_network AND (p_to_day IS NULL OR f.from_day <= p_to_day)
       AND f.from_day >= coalesce((SELECT max(o.from_day) FROM transit.fare_table o
                                    WHERE o.network = p_network AND o.from_day <= s.first_day),
                                  '-infinity')
     ORDER BY f.from_day
$$;
