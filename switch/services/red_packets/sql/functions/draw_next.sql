-- draw_next() → integer
--
-- Purpose     Draws the lots of the offer whose draw is due longest: the entries with the smallest
--             SHA-256 of the seed and their id win, so many as there are red packets. Whoever knows
--             the seed, whose digest was published before, can draw them again. What became of each
--             is written by tell_next, in pieces.
-- Parameters  none
-- Returns     how many entries there were; null where no draw is due
-- Locks       the packet
-- Tables      updates packet; reads entry
CREATE OR REPLACE FUNCTION red_packets.draw_next() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
DECLARE
    v_packet red_packets.packet;
BEGIN
    SELECT * INTO v_packet FROM red_packets.packet
     WHERE draw_at <= ledger.decision_time() AND drawn_at IS NULL
     ORDER BY draw_at LIMIT 1 FOR NO KEY UPDATE;
    IF NOT FOUND OR v_packet.drawn_at IS NOT NULL THEN
        RETURN NULL;
    END IF;
    UPDATE red_packets.packet
       SET drawn_at = ledger.decision_time(), won = least(count, entries), is_told = false,
           last_lot = (SELECT max(l.lot)
                         FROM (SELECT e.lot FROM red_packets.entry e
                                WHERE e.packet = v_packet.id AND e.status = 'waiting'
                                ORDER BY e.lot LIMIT v_packet.count) l)
     WHERE id = v_packet.id;
    RETURN v_packet.entries;
END $$;
