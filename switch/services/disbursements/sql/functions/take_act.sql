-- take_act(participant_no, key, digest, signed_by, disbursement, act) → one row
--
-- Purpose     Submits, approves, pauses, resumes or cancels a disbursement, for a participant's
--             signed message, once a key, or for the operator. Who approves is another person than
--             who created or submitted it or gave a part: another key of the participant signs, or
--             the operator does.
-- Parameters  p_participant_no, p_key, p_digest, p_signed_by  as create_draft; 0 and null for the
--             operator; p_act  as the column
-- Returns     disposition  0 done now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no disbursement of the participant, 5 barred, 6 its status does not
--             allow it, 7 it needs a second person, 8 counts or totals differ from the draft, or
--             lines cannot be paid any more (4 and 6 to 8 spend no key); act  where it is 0 or 1;
--             status  as it was; given, given_total, wrong (as add_part)  where it is 8
-- Locks       the disbursement, then the key claim
-- Tables      as ledger.claim_subject; updates disbursement; inserts act; reads payout, account
CREATE OR REPLACE FUNCTION disbursements.take_act(
    p_participant_no integer, p_key text, p_digest bytea, p_signed_by text, p_disbursement uuid,
    p_act text, OUT disposition smallint, OUT act disbursements.act, OUT status text,
    OUT given integer, OUT given_total bigint, OUT wrong text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = disbursements, pg_temp
AS $$
DECLARE
    v_of     disbursements.disbursement;
    v_status text;
    v_now    constant timestamptz := ledger.decision_time();
BEGIN
    SELECT * INTO v_of FROM disbursements.disbursement d
     WHERE d.id = p_disbursement AND p_participant_no IN (0, d.participant_no)
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    status := v_of.status;
    given := v_of.given;
    given_total := v_of.given_total;
    IF p_key IS NULL OR NOT ledger.is_spent(p_participant_no, p_key) THEN
        v_status := CASE
            WHEN p_act = 'submit' AND v_of.status = 'draft' THEN 'submitted'
            WHEN p_act = 'approve' AND v_of.status = 'submitted' THEN 'paying'
            WHEN p_act = 'pause' AND v_of.status = 'paying' THEN 'paused'
            WHEN p_act = 'resume' AND v_of.status = 'paused' THEN 'paying'
            WHEN p_act = 'cancel' AND v_of.status IN ('draft', 'submitted', 'paying', 'paused')
                THEN 'cancelled'
        END;
        disposition := CASE
            WHEN v_status IS NULL THEN 6
            WHEN p_act = 'approve'
                AND EXISTS (SELECT FROM disbursements.act a
                             WHERE a.disbursement = p_disbursement AND a.signed_by = p_signed_by
                               AND a.act IN ('create', 'part', 'submit')) THEN 7
            WHEN p_act = 'submit' AND (v_of.given <> v_of.count OR v_of.given_total <> v_of.total)
                THEN 8
        END;
        IF disposition IS NULL AND p_act = 'submit' THEN
            wrong := ARRAY(SELECT format('line %s: the account is closed', p.line)
                             FROM disbursements.payout p
                             JOIN ledger.account a ON a.shard = 0 AND a.id = p.account
                            WHERE p.disbursement = p_disbursement AND a.lifecycle <> 'open'
                            ORDER BY p.line LIMIT 10);
            IF wrong <> '{}' THEN
                disposition := 8;
            END IF;
        END IF;
        IF disposition IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    disposition := 0;
    IF p_key IS NOT NULL THEN
        SELECT c.disposition INTO STRICT disposition
          FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_disbursement,
                                    9::smallint) c;
    END IF;
    IF disposition = 0 THEN
        UPDATE disbursements.disbursement d
           SET status = v_status, reason = NULL,
               resumed_at = CASE WHEN v_status = 'paying' THEN v_now ELSE d.resumed_at END,
               done_before = CASE WHEN v_status = 'paying' THEN d.paid + d.declined
                                  ELSE d.done_before END
         WHERE d.id = p_disbursement;
        PERFORM disbursements.add_act(p_disbursement, p_participant_no, p_key, p_signed_by, p_act,
                                      v_status);
    END IF;
    IF disposition IN (0, 1) AND p_key IS NOT NULL THEN
        SELECT * INTO STRICT act FROM disbursements.act a
         WHERE a.participant_no = p_participant_no AND a.key = p_key;
    END IF;
END $$;
