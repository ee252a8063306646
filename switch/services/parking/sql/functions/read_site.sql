-- read_site(site) → row of site
--
-- Purpose     A car park and its tariff: any participant may know them.
-- Parameters  p_site
-- Returns     no row where there is none
-- Locks       none
-- Tables      reads site
CREATE OR REPLACE FUNCTION parking.read_site(p_site uuid) RETURNS SETOF parking.site
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = parking, pg_temp
AS $$
    SELECT * FROM parking.site WHERE id = p_site
$$;
