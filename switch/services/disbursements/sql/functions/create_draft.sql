-- create_draft(participant_no, key, digest, signed_by, id, payer, …) → one row
--
-- Purpose     Begins a disbursement for a participant's signed message, once a key.
-- Parameters  p_participant_no, p_key, p_digest, p_signed_by  whose message, its idempotency key,
--             SHA-256 of what it asks for, the key that signed; p_id  what it is called if this
--             message makes it; p_payer … p_purpose  as the columns
-- Returns     disposition  0 made now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such account of the participant (no key spent), 5 barred;
--             act  what is answered, where disposition is 0 or 1
-- Locks       the key claim
-- Tables      as ledger.claim_subject; inserts disbursement, act; reads account
CREATE OR REPLACE FUNCTION disbursements.create_draft(
    p_participant_no integer, p_key text, p_digest bytea, p_signed_by text, p_id uuid,
    p_payer uuid, p_currency text, p_count integer, p_total bigint, p_purpose text,
    OUT disposition smallint, OUT act disbursements.act)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = disbursements, pg_temp
AS $$
DECLARE
    v_subject uuid;
BEGIN
    IF NOT ledger.can_ask(p_participant_no, p_payer, p_currency) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO disbursements.disbursement
            (id, participant_no, payer, currency, purpose, count, total, created_at)
        VALUES (p_id, p_participant_no, p_payer, p_currency, p_purpose, p_count, p_total,
                ledger.decision_time());
        PERFORM disbursements.add_act(p_id, p_participant_no, p_key, p_signed_by, 'create',
                                      'draft');
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT act FROM disbursements.act a
         WHERE a.participant_no = p_participant_no AND a.key = p_key;
    END IF;
END $$;
