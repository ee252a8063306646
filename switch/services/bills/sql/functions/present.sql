-- present(participant_no, key, digest, ids[], …arrays, one element a bill…) → one row
--
-- Purpose     Presents bills for a participant's signed message, once a key: all of them or none.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what the bills are called if this message makes them; p_payee
--             … p_description  as the columns of bill and of ledger.payment_request; p_late_fee
--             null for none, p_not_after  null for p_payable_days after the day it is due
-- Returns     disposition  0 presented now, 1 presented before by the same message, 2 the key was
--             spent on something else, 4 a payee is no account of the participant, of this
--             currency, that can be paid, 5 the key is barred, 7 a reference was used before for
--             this payee, 8 a bill could not be paid any more, or not when it is due (4, 7 and 8
--             spend no key)
--             subject  the first bill, where disposition is 0 or 1; place  of the first bill that
--             4, 7 or 8 is about, from 1
-- Locks       the payees' bills, then the key claim
-- Tables      inserts bill; as ledger.claim_request_key and ledger.add_payment_request; reads
--             key_claim, account
CREATE OR REPLACE FUNCTION bills.present(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid[], p_payee uuid[],
    p_payee_name text[], p_currency text[], p_customer text[], p_reference text[],
    p_amount bigint[], p_amount_min bigint[], p_late_fee bigint[], p_due_on date[],
    p_not_after timestamptz[], p_description text[], p_payable_days integer,
    OUT disposition smallint, OUT subject uuid, OUT place integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
DECLARE
    v_due_at    timestamptz[];
    v_not_after timestamptz[];
BEGIN
    -- Whoever presents to the same payee takes turns, so that none is presented twice.
    PERFORM pg_advisory_xact_lock(hashtextextended('bills of ' || u.payee::text, 0))
       FROM (SELECT DISTINCT payee FROM unnest(p_payee) AS payee ORDER BY payee) u;
    SELECT array_agg(m.due_at ORDER BY m.position),
           array_agg(coalesce(m.not_after, m.due_at + make_interval(days => p_payable_days))
                     ORDER BY m.position)
      INTO STRICT v_due_at, v_not_after
      FROM (SELECT position, not_after, ledger.day_begins_at(due_on + 1) AS due_at
              FROM unnest(p_due_on, p_not_after) WITH ORDINALITY
                   AS b (due_on, not_after, position)) m;
    IF NOT EXISTS (SELECT FROM ledger.key_claim c
                    WHERE c.participant_no = p_participant_no AND c.key = p_key) THEN
        SELECT refused.position, refused.disposition INTO place, disposition
          FROM (SELECT m.position,
                       CASE WHEN NOT ledger.can_ask(p_participant_no, m.payee, m.currency) THEN 4
                            WHEN m.not_after <= ledger.decision_time() OR m.not_after <= m.due_at
                                THEN 8
                            WHEN EXISTS (SELECT FROM bills.bill b
                                          WHERE b.payee = m.payee AND b.reference = m.reference)
                                THEN 7
                            WHEN row_number() OVER (PARTITION BY m.payee, m.reference
                                                    ORDER BY m.position) > 1 THEN 7
                       END AS disposition
                  FROM unnest(p_payee, p_currency, p_reference, v_due_at, v_not_after)
                       WITH ORDINALITY
                       AS m (payee, currency, reference, due_at, not_after, position)) refused
         WHERE refused.disposition IS NOT NULL
         ORDER BY refused.position LIMIT 1;
        IF disposition IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_request_key(p_participant_no, p_key, p_digest, p_id[1]);
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(p_id) LOOP
        PERFORM ledger.add_payment_request(
            p_participant_no, p_id[i], p_payee[i], p_payee_name[i], p_currency[i], p_amount[i],
            coalesce(p_amount_min[i], p_amount[i]), p_reference[i], p_description[i],
            v_not_after[i], p_late_fee[i], CASE WHEN p_late_fee[i] > 0 THEN v_due_at[i] END);
        INSERT INTO bills.bill (id, participant_no, payee, customer, reference, due_on, due_at,
                                batch, place)
        VALUES (p_id[i], p_participant_no, p_payee[i], p_customer[i], p_reference[i], p_due_on[i],
                v_due_at[i], p_id[1], i);
    END LOOP;
END $$;
