-- enter(participant_no, key, digest, id, packet, wallet) → one row
--
-- Purpose     Enters a wallet for a red packet, for its provider's signed message, once a key: it
--             has won where it comes in time and nothing is drawn, else it waits for the draw. The
--             entry that is there where the wallet has one.
-- Parameters  p_participant_no, p_key, p_digest  as offer; p_id  what the entry is called if this
--             message makes it; p_packet; p_wallet  of the participant, of the packet's currency
-- Returns     disposition  0 entered now, 1 before by the same message, 2 the key was spent on
--             something else, 3 all are gone, 4 no such wallet, or no such offer, 5 barred, 6 it is
--             over (3, 4 and 6 spend no key); entry  where it is 0 or 1
-- Locks       the packet, then the key claim
-- Tables      as ledger.claim_subject; updates packet; inserts entry; reads account
CREATE OR REPLACE FUNCTION red_packets.enter(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_packet uuid, p_wallet uuid,
    OUT disposition smallint, OUT entry red_packets.entry)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
DECLARE
    v_now     constant timestamptz := ledger.decision_time();
    v_packet  red_packets.packet;
    v_id      uuid;
    v_subject uuid;
BEGIN
    SELECT k.* INTO v_packet
      FROM red_packets.packet k
      JOIN ledger.account a ON a.shard = 0 AND a.id = p_wallet AND a.kind = 'wallet'
                           AND a.participant_no = p_participant_no AND a.currency = k.currency
     WHERE k.id = p_packet
       FOR NO KEY UPDATE OF k;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    v_id := (SELECT e.id FROM red_packets.entry e
              WHERE e.packet = p_packet AND e.wallet = p_wallet);
    IF v_id IS NULL AND NOT ledger.is_spent(p_participant_no, p_key) THEN
        disposition := CASE WHEN coalesce(v_packet.draw_at, v_packet.not_after) <= v_now THEN 6
                            WHEN v_packet.draw_at IS NULL AND v_packet.won >= v_packet.count THEN 3
                       END;
        IF disposition IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, coalesce(v_id, p_id),
                                9::smallint) c;
    IF disposition = 0 AND v_id IS NULL THEN
        UPDATE red_packets.packet k
           SET entries = k.entries + 1,
               won = k.won + CASE WHEN k.draw_at IS NULL THEN 1 ELSE 0 END
         WHERE k.id = p_packet;
        INSERT INTO red_packets.entry
            (id, packet, participant_no, wallet, lot, status, try_at, created_at)
        VALUES (p_id, p_packet, p_participant_no, p_wallet,
                sha256(v_packet.seed || uuid_send(p_id)),
                CASE WHEN v_packet.draw_at IS NULL THEN 'won' ELSE 'waiting' END,
                CASE WHEN v_packet.draw_at IS NULL THEN v_now END, v_now);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT entry FROM red_packets.entry e WHERE e.id = v_subject;
    END IF;
END $$;
