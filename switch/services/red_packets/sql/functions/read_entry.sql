-- read_entry(participant_no, entry) → row of entry
--
-- Purpose     An entry, for who holds the wallet and for who gives.
-- Parameters  p_participant_no  who asks; p_entry
-- Returns     no row where there is none that the participant may see
-- Locks       none
-- Tables      reads entry, packet
CREATE OR REPLACE FUNCTION red_packets.read_entry(p_participant_no integer, p_entry uuid)
RETURNS SETOF red_packets.entry
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
    SELECT (red_packets.shown(e, k)).*
      FROM red_packets.entry e JOIN red_packets.packet k ON k.id = e.packet
     WHERE e.id = p_entry AND p_participant_no IN (e.participant_no, k.participant_no)
$$;
