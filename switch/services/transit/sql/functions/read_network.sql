-- read_network(network) → row of network
--
-- Purpose     A network: any participant may know it.
-- Parameters  p_network
-- Returns     no row where there is none
-- Locks       none
-- Tables      reads network
CREATE OR REPLACE FUNCTION transit.read_network(p_network uuid) RETURNS SETOF transit.network
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    SELECT * FROM transit.network WHERE id = p_network
$$;
