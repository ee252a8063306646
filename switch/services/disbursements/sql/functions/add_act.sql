-- add_act(disbursement, participant_no, key, signed_by, act, status, part, lines)
--
-- Purpose     Records who did what to a disbursement.
-- Parameters  as the columns of act; p_status  of the disbursement afterwards
-- Returns     nothing
-- Locks       none
-- Tables      inserts act
CREATE OR REPLACE FUNCTION disbursements.add_act(
    p_disbursement uuid, p_participant_no integer, p_key text, p_signed_by text, p_act text,
    p_status text, p_part integer DEFAULT NULL, p_lines integer DEFAULT NULL) RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO disbursements.act
        (disbursement, participant_no, key, signed_by, act, part, lines, status, at)
    VALUES (p_disbursement, p_participant_no, p_key, p_signed_by, p_act, p_part, p_lines, p_status,
            ledger.decision_time())
$$;
