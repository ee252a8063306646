-- read_payments(participant_no, ids) → rows of payment_answer
--
-- Purpose     Payments as one participant may see them: look_up_payments for one who asks.
-- Parameters  p_participant_no  who asks, null for a decision that is answered to its own sender;
--             p_ids
-- Returns     the visible ones, in id order
-- Locks       none
-- Tables      as look_up_payments
CREATE OR REPLACE FUNCTION ledger.read_payments(p_participant_no integer, p_ids uuid[])
RETURNS SETOF ledger.payment_answer
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT (found.payment).*
      FROM ledger.look_up_payments(
               array_fill(p_participant_no, ARRAY[coalesce(cardinality(p_ids), 0)]),
               p_ids) AS found;
END $$;
