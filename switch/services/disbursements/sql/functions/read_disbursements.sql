-- read_disbursements(participant_no, disbursement, after, limit) → rows of disbursement
--
-- Purpose     A participant's disbursements as they stand.
-- Parameters  p_participant_no  who asks, null for the operator, who sees all; p_disbursement  this
--             one, null for all; p_after  only ids after this one; p_limit  how many
-- Returns     the visible ones, in id order
-- Locks       none
-- Tables      reads disbursement
CREATE OR REPLACE FUNCTION disbursements.read_disbursements(
    p_participant_no integer, p_disbursement uuid, p_after uuid, p_limit integer)
RETURNS SETOF disbursements.disbursement
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = disbursements, pg_temp
AS $$
BEGIN
    IF p_disbursement IS NOT NULL THEN
        RETURN QUERY SELECT * FROM disbursements.disbursement d
                      WHERE d.id = p_disbursement
                        AND (p_participant_no IS NULL OR d.participant_no = p_participant_no);
    ELSE
        RETURN QUERY SELECT * FROM disbursements.disbursement d
                      WHERE (p_participant_no IS NULL OR d.participant_no = p_participant_no)
                        AND d.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
                      ORDER BY d.id LIMIT p_limit;
    END IF;
END $$;
