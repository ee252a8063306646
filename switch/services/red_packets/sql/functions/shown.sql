-- shown(entry, packet) → row of entry
--
-- Purpose     An entry as anybody may see it: no lot before the draw, and what became of it from
--             the draw on, whether or not that is written down.
-- Parameters  p_entry; p_packet  its own
-- Returns     the entry
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION red_packets.shown(
    p_entry red_packets.entry, p_packet red_packets.packet) RETURNS red_packets.entry
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    IF p_packet.drawn_at IS NULL THEN
        p_entry.lot := NULL;
    ELSIF p_entry.status = 'waiting' THEN
        p_entry.status := CASE WHEN p_entry.lot <= p_packet.last_lot THEN 'won' ELSE 'lost' END;
    END IF;
    RETURN p_entry;
END $$;
