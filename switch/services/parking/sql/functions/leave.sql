-- leave(participant_no, key, digest, stay, left_at, fee, ids[]) → one row
--
-- Purpose     Ends a stay, for the operator's signed message, once a key: captures the fee from
--             what is held, gives the rest back, and takes by the mandate what was not held; all in
--             one transaction.
-- Parameters  p_participant_no, p_key, p_digest  as give_site; p_stay; p_left_at; p_fee  minor
--             units, by the site's tariff; p_ids  what the steps and the payment are called
-- Returns     disposition  0 ended now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such stay of the participant, 5 barred, 6 it is not open (4 and
--             6 spend no key); stay  where it is 0 or 1
-- Locks       the stay, the key claim, the mandate; as ledger.decide_steps and authorize_batch
-- Tables      as ledger.claim_subject, decide_steps and authorize_batch; updates stay, hold; reads
--             payment_state
CREATE OR REPLACE FUNCTION parking.leave(
    p_participant_no integer, p_key text, p_digest bytea, p_stay uuid, p_left_at timestamptz,
    p_fee bigint, p_ids uuid[], OUT disposition smallint, OUT stay parking.stay)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = parking, pg_temp
AS $$
DECLARE
    v_site    parking.site;
    v_hold    parking.hold;
    v_owed    bigint := p_fee;
    v_paid    bigint;
    v_left    bigint;
    v_taken   bigint;
    v_decided record;
BEGIN
    SELECT s.* INTO stay
      FROM parking.stay s JOIN parking.site t ON t.id = s.site
     WHERE s.id = p_stay AND t.participant_no = p_participant_no
       FOR NO KEY UPDATE OF s;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    ELSIF stay.status <> 'open' AND NOT ledger.is_spent(p_participant_no, p_key) THEN
        disposition := 6;
        RETURN;
    END IF;
    SELECT c.disposition INTO STRICT disposition
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_stay, 9::smallint) c;
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    SELECT * INTO STRICT v_site FROM parking.site WHERE id = stay.site;
    -- Before any account, as whoever decides by it.
    PERFORM FROM ledger.mandate WHERE id = stay.mandate FOR NO KEY UPDATE;
    FOR v_hold IN SELECT * FROM parking.hold h
                   WHERE h.stay = p_stay AND h.outcome = 0 ORDER BY h.number LOOP
        -- What the operator has captured by itself is paid, and what it gave back is not.
        SELECT y.captured - y.refunded - y.refunding,
               CASE WHEN y.hold_expires_at > ledger.decision_time()
                    THEN y.amount - y.captured - y.voided - y.expired ELSE 0 END
          INTO STRICT v_paid, v_left
          FROM ledger.payment_state y WHERE y.shard = 0 AND y.payment = v_hold.payment;
        v_owed := greatest(0, v_owed - v_paid);
        CONTINUE WHEN v_left = 0;
        v_taken := least(v_owed, v_left);
        SELECT * INTO STRICT v_decided
          FROM ledger.decide_steps(
                   0::smallint, ARRAY[p_participant_no],
                   ARRAY[format('parking:%s:exit:%s', p_stay, v_hold.number)], ARRAY[p_digest],
                   ARRAY[p_ids[v_hold.number]],
                   ARRAY[CASE WHEN v_taken > 0 THEN 11 ELSE 12 END::smallint],
                   ARRAY[v_hold.payment], ARRAY[nullif(v_taken, 0)], ARRAY[v_taken > 0]);
        IF v_decided.outcomes[1] = 0 THEN  -- else it has expired
            v_owed := v_owed - v_taken;
        END IF;
    END LOOP;
    IF v_owed > 0 THEN
        SELECT * INTO STRICT v_decided
          FROM ledger.authorize_batch(
                   0::smallint, ARRAY[p_participant_no], ARRAY[format('parking:%s:rest', p_stay)],
                   ARRAY[p_digest], ARRAY[p_ids[cardinality(p_ids)]], ARRAY[1::smallint],
                   ARRAY[NULL::uuid], ARRAY[v_site.account], ARRAY[v_owed],
                   ARRAY[v_site.currency], NULL, NULL, NULL, ARRAY[v_site.name], NULL, NULL, NULL,
                   NULL, NULL, NULL, ARRAY[stay.mandate]);
        IF v_decided.outcomes[1] = 0 THEN
            v_owed := 0;
        END IF;
    END IF;
    UPDATE parking.hold SET is_last = false WHERE hold.stay = p_stay AND is_last;
    UPDATE parking.stay s
       SET status = 'left', left_at = p_left_at, fee = p_fee, paid = p_fee - v_owed
     WHERE s.id = p_stay
    RETURNING * INTO stay;
END $$;
