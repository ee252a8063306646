-- tell_next(count) → integer
--
-- Purpose     Writes down what became of entries of an offer that is drawn.
-- Parameters  p_count  at most so many
-- Returns     how many; 0 where there is nothing to write
-- Locks       the packet; its entries
-- Tables      updates packet, entry
CREATE OR REPLACE FUNCTION red_packets.tell_next(p_count integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
DECLARE
    v_packet red_packets.packet;
    v_count  integer;
BEGIN
    SELECT * INTO v_packet FROM red_packets.packet
     WHERE NOT is_told ORDER BY id LIMIT 1 FOR NO KEY UPDATE;
    IF NOT FOUND OR v_packet.is_told THEN
        RETURN 0;
    END IF;
    UPDATE red_packets.entry e
       SET status = CASE WHEN e.lot <= v_packet.last_lot THEN 'won' ELSE 'lost' END,
           try_at = CASE WHEN e.lot <= v_packet.last_lot THEN ledger.decision_time() END
     WHERE e.id IN (SELECT w.id FROM red_packets.entry w
                     WHERE w.packet = v_packet.id AND w.status = 'waiting'
                     ORDER BY w.lot LIMIT p_count);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    UPDATE red_packets.packet SET is_told = true WHERE id = v_packet.id AND v_count < p_count;
    RETURN v_count;
END $$;
