-- may_take_step(participant_no, type, parent, payer, payee) → outcome
--
-- Purpose     What can be said of a step whatever became of its payment since: whether the sender
--             may see the payment, may take the step, and the payment has such steps at all.
-- Parameters  p_participant_no  who sent it; p_type  11 capture, 12 void, 13 refund; p_parent  the
--             payment, all null when there is none, its outcome null while it waits for a bank;
--             p_payer, p_payee  of the step, so the other way round for a refund
-- Returns     ledger.outcome.code, 0 when nothing speaks against it so far
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.may_take_step(
    p_participant_no integer, p_type smallint, p_parent ledger.payment, p_payer ledger.account,
    p_payee ledger.account) RETURNS smallint
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN p_parent.id IS NULL OR p_parent.type = 0
            OR p_participant_no NOT IN (p_parent.participant_no,
                                        coalesce(p_payer.participant_no, p_parent.participant_no),
                                        coalesce(p_payee.participant_no, p_parent.participant_no))
            THEN 24
        -- The payee's side may; the payer's may end its own held transfer.
        WHEN CASE WHEN p_type = 13 THEN p_payer.participant_no IS DISTINCT FROM p_participant_no
                  ELSE p_payee.participant_no IS DISTINCT FROM p_participant_no
                       AND NOT (p_parent.type = 2 AND p_parent.hold_expires_at IS NOT NULL
                                AND p_payer.participant_no = p_participant_no) END
            THEN 30
        WHEN p_parent.outcome IS DISTINCT FROM 0 OR p_parent.parent IS NOT NULL
            OR p_parent.type > 100
            OR (p_type <> 13 AND p_parent.hold_expires_at IS NULL) THEN 32
        ELSE 0
    END::smallint
$$;
