-- open_next(id, retry_s) → boolean
--
-- Purpose     Opens the purse of the next entry that has won and has none; alone in its
--             transaction, so that no wallet is locked before another account.
-- Parameters  p_id  what the purse is called, if the wallet has none of this purpose; p_retry_s
--             where none can be opened
-- Returns     whether there was one; it is tried again later where none can be opened
-- Locks       the entry; as ledger.open_purse
-- Tables      updates entry; as ledger.open_purse
CREATE OR REPLACE FUNCTION red_packets.open_next(p_id uuid, p_retry_s integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
DECLARE
    v_entry  red_packets.entry;
    v_packet red_packets.packet;
    v_opened record;
BEGIN
    SELECT * INTO v_entry FROM red_packets.entry
     WHERE try_at <= ledger.decision_time() AND purse IS NULL
     ORDER BY try_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT * INTO STRICT v_packet FROM red_packets.packet WHERE id = v_entry.packet;
    SELECT * INTO STRICT v_opened
      FROM ledger.open_purse(
               v_packet.participant_no, format('red-packet:%s:purse', v_entry.id),
               sha256(uuid_send(v_entry.id)), p_id, v_packet.purpose, v_entry.wallet);
    IF v_opened.disposition IN (0, 1) THEN
        UPDATE red_packets.entry SET purse = v_opened.subject WHERE id = v_entry.id;
    ELSE
        UPDATE red_packets.entry
           SET reason = CASE v_opened.disposition WHEN 3 THEN 'payee_closed' WHEN 4 THEN 'expired'
                             ELSE 'not_permitted' END,
               try_at = ledger.decision_time() + make_interval(secs => p_retry_s)
         WHERE id = v_entry.id;
    END IF;
    RETURN true;
END $$;
