-- read_packet(packet) → row of packet
--
-- Purpose     What is offered: any participant may know it.
-- Parameters  p_packet
-- Returns     no row where there is none
-- Locks       none
-- Tables      reads packet
CREATE OR REPLACE FUNCTION red_packets.read_packet(p_packet uuid) RETURNS SETOF red_packets.packet
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
    SELECT * FROM red_packets.packet WHERE id = p_packet
$$;
