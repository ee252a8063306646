-- read_entries(packet, after, count) → rows of entry
--
-- Purpose     All entries of an offer, so that whoever knows the seed can draw the lots again.
-- Parameters  p_packet; p_after  the entry after which to go on, null from the start; p_count
-- Returns     the entries in the order of their ids
-- Locks       none
-- Tables      reads entry, packet
CREATE OR REPLACE FUNCTION red_packets.read_entries(p_packet uuid, p_after uuid, p_count integer)
RETURNS SETOF red_packets.entry
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
    SELECT (red_packets.shown(e, k)).*
      FROM (SELECT * FROM red_packets.entry
             WHERE packet = p_packet
               AND id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
             ORDER BY id LIMIT p_count) e
      JOIN red_packets.packet k ON k.id = e.packet
     ORDER BY e.id
$$;
