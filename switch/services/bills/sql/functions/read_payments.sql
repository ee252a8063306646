-- read_payments(participant_no, payee, day, after_at, after, limit) → rows
--
-- Purpose     The payments of a biller's bills on a day of the city, each with its bill, in the
--             order of their time, then id.
-- Parameters  p_participant_no  the biller's; p_payee  its account; p_day; p_after  the payment
--             after which to go on, null from the start; p_limit  how many
-- Returns     payment, bill, customer, reference, amount, currency, paid_at; none when the account
--             is not the participant's
-- Locks       none
-- Tables      reads bill, account, payment
CREATE OR REPLACE FUNCTION bills.read_payments(
    p_participant_no integer, p_payee uuid, p_day date, p_after uuid, p_limit integer)
RETURNS TABLE (payment uuid, bill uuid, customer text, reference text, amount bigint,
               currency text, paid_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
DECLARE
    v_begins_at constant timestamptz := ledger.day_begins_at(p_day);
    v_ends_at   constant timestamptz := ledger.day_begins_at(p_day + 1);
    v_after_at  timestamptz := v_begins_at;
BEGIN
    IF p_after IS NOT NULL THEN
        SELECT greatest(v_begins_at, y.created_at) INTO v_after_at
          FROM ledger.payment y WHERE y.shard = 0 AND y.id = p_after AND y.payee = p_payee;
    END IF;
    RETURN QUERY
    SELECT y.id, b.id, b.customer, b.reference, y.amount, y.currency, y.created_at
      FROM ledger.payment y
      JOIN bills.bill b ON b.id = y.request AND b.participant_no = p_participant_no
     WHERE uuid_hash_extended(y.payee, 0) = uuid_hash_extended(p_payee, 0)
       AND y.payee = p_payee AND y.created_at >= v_after_at AND y.created_at < v_ends_at
       AND y.outcome = 0
       AND (p_after IS NULL OR (y.created_at, y.id) > (v_after_at, p_after))
     ORDER BY y.created_at, y.id LIMIT p_limit;
END $$;
