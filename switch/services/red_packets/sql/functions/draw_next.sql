-- draw_next() → integer
--
-- Purpose     Draws the lots of the offer whose draw is due longest: the entries with the smallest
--             SHA-256 of the seed and their id win, so many as there are red packets. Whoever knows
--             the seed, whose digest was published before, can draw them again.
-- Parameters  none
-- Returns     how many entries there were; null where no draw is due
-- Locks       the packet; its entries
-- Tables      updates packet, entry
CREATE OR REPLACE FUNCTION red_packets.draw_next() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
DECLARE
    v_now    constant timestamptz := ledger.decision_time();
    v_packet red_packets.packet;
BEGIN
    SELECT * INTO v_packet FROM red_packets.packet
     WHERE draw_at <= v_now AND drawn_at IS NULL
     ORDER BY draw_at LIMIT 1 FOR NO KEY UPDATE;
    IF NOT FOUND OR v_packet.drawn_at IS NOT NULL THEN
        RETURN NULL;
    END IF;
    UPDATE red_packets.entry e
       SET lot = d.lot, status = CASE WHEN d.place <= v_packet.count THEN 'won' ELSE 'lost' END,
           try_at = CASE WHEN d.place <= v_packet.count THEN v_now END
      FROM (SELECT s.id, s.lot, row_number() OVER (ORDER BY s.lot, s.id) AS place
              FROM (SELECT id, sha256(v_packet.seed || uuid_send(id)) AS lot
                      FROM red_packets.entry WHERE packet = v_packet.id) s) d
     WHERE e.id = d.id;
    UPDATE red_packets.packet SET drawn_at = v_now, won = least(count, entries)
     WHERE id = v_packet.id;
    RETURN v_packet.entries;
END $$;
