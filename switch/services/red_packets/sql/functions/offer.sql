-- offer(participant_no, key, digest, id, purpose, amount, count, draw_at, seed) → one row
--
-- Purpose     Offers red packets of a purpose, for the giver's signed message, once a key.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what the offer is called if this message makes it; p_purpose
--             of the participant; the others as the columns
-- Returns     disposition  0 made now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no purpose of the participant that has not ended, 5 barred, 6 it is
--             drawn after the purpose has ended (4 and 6 spend no key); packet  where it is 0 or 1
-- Locks       the key claim
-- Tables      as ledger.claim_subject; inserts packet; reads purpose
CREATE OR REPLACE FUNCTION red_packets.offer(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_purpose uuid,
    p_amount bigint, p_count integer, p_draw_at timestamptz, p_seed bytea,
    OUT disposition smallint, OUT packet red_packets.packet)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
DECLARE
    v_now     constant timestamptz := ledger.decision_time();
    v_purpose ledger.purpose;
    v_subject uuid;
BEGIN
    SELECT * INTO v_purpose FROM ledger.purpose p
     WHERE p.id = p_purpose AND p.participant_no = p_participant_no;
    disposition := CASE
        WHEN NOT FOUND THEN 4
        WHEN ledger.is_spent(p_participant_no, p_key) THEN NULL
        WHEN v_purpose.not_after <= v_now THEN 4
        WHEN p_draw_at >= v_purpose.not_after THEN 6
    END;
    IF disposition IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO red_packets.packet
            (id, participant_no, account, purpose, currency, amount, count, draw_at, seed,
             not_after, created_at)
        VALUES (p_id, p_participant_no, v_purpose.account, p_purpose, v_purpose.currency, p_amount,
                p_count, p_draw_at, CASE WHEN p_draw_at IS NOT NULL THEN p_seed END,
                v_purpose.not_after, v_now);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT packet FROM red_packets.packet k WHERE k.id = v_subject;
    END IF;
END $$;
