-- read_day(participant_no, payee, day) → one row
--
-- Purpose     What was paid of a biller's bills, and given back, on a day of the city: to be held
--             against the biller's own books.
-- Parameters  p_participant_no  the biller's; p_payee  its account; p_day
-- Returns     currency; payments, amount  approved that day for its bills; refunds, refunded
--             likewise given back; none when the account is not the participant's
-- Locks       none
-- Tables      reads bill, account, payment
CREATE OR REPLACE FUNCTION bills.read_day(p_participant_no integer, p_payee uuid, p_day date)
RETURNS TABLE (currency text, payments bigint, amount bigint, refunds bigint, refunded bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
    WITH span AS MATERIALIZED (
        SELECT a.currency, ledger.day_begins_at(p_day) AS begins_at,
               ledger.day_begins_at(p_day + 1) AS ends_at
          FROM ledger.account a
         WHERE a.shard = 0 AND a.id = p_payee AND a.participant_no = p_participant_no
    )
    SELECT s.currency, paid.count, paid.amount, back.count, back.amount
      FROM span s
     CROSS JOIN LATERAL (
           SELECT count(*) AS count, coalesce(sum(y.amount), 0)::bigint AS amount
             FROM ledger.payment y
            WHERE uuid_hash_extended(y.payee, 0) = uuid_hash_extended(p_payee, 0)
              AND y.payee = p_payee AND y.created_at >= s.begins_at AND y.created_at < s.ends_at
              AND y.outcome = 0
              AND EXISTS (SELECT FROM bills.bill b WHERE b.id = y.request)) paid
     CROSS JOIN LATERAL (
           SELECT count(*) AS count, coalesce(sum(y.amount), 0)::bigint AS amount
             FROM ledger.payment y
            WHERE uuid_hash_extended(y.payer, 0) = uuid_hash_extended(p_payee, 0)
              AND y.payer = p_payee AND y.created_at >= s.begins_at AND y.created_at < s.ends_at
              AND y.outcome = 0 AND y.type = 13
              AND EXISTS (SELECT FROM ledger.payment p
                           WHERE p.id = y.parent
                             AND EXISTS (SELECT FROM bills.bill b WHERE b.id = p.request))) back
$$;
