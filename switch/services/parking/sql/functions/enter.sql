-- enter(participant_no, key, digest, id, site, mandate, entered_at, payment_id) → one row
--
-- Purpose     Begins a stay and holds money for it, for the operator's signed message, once a key,
--             both in one transaction.
-- Parameters  p_participant_no, p_key, p_digest  as give_site; p_id  what the stay is called if
--             this message begins it; p_site  of the participant; p_mandate  by which it is paid;
--             p_entered_at; p_payment_id  what the hold is called
-- Returns     disposition  0 begun now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such site of the participant (no key spent), 5 barred; stay
--             where it is 0 or 1: declined where the hold was
-- Locks       the key claim; as ledger.authorize_batch
-- Tables      as ledger.claim_subject and hold_for; inserts stay
CREATE OR REPLACE FUNCTION parking.enter(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_site uuid, p_mandate uuid,
    p_entered_at timestamptz, p_payment_id uuid,
    OUT disposition smallint, OUT stay parking.stay)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = parking, pg_temp
AS $$
DECLARE
    v_subject uuid;
    v_outcome smallint;
BEGIN
    IF NOT EXISTS (SELECT FROM parking.site s
                    WHERE s.id = p_site AND s.participant_no = p_participant_no) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO parking.stay (id, site, mandate, status, entered_at, created_at)
        VALUES (p_id, p_site, p_mandate, 'open', p_entered_at, ledger.decision_time())
        RETURNING * INTO stay;
        v_outcome := parking.hold_for(stay, 1::smallint, p_payment_id);
        IF v_outcome <> 0 THEN
            UPDATE parking.stay s
               SET status = 'declined',
                   reason = (SELECT o.name FROM ledger.outcome o WHERE o.code = v_outcome)
             WHERE s.id = p_id;
        END IF;
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT stay FROM parking.stay s WHERE s.id = v_subject;
    END IF;
END $$;
