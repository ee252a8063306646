-- read_bills(participant_no, bill, batch, payee, customer, after, limit) → rows
--
-- Purpose     Bills as they are now, in the order they were presented, for their biller or for who
--             may pay them.
-- Parameters  p_participant_no  who asks; p_bill  one by its id; p_batch  of a message of the
--             biller's, by its first; p_payee with p_customer  a customer's; p_payee alone  the
--             biller's; the others null. p_after  the bill after which to go on in a list, null
--             from the start; p_limit  how many of a list
-- Returns     the columns of ledger.payment_request, participant, customer, due_on, due_at
-- Locks       none
-- Tables      reads bill, payment_request, account
CREATE OR REPLACE FUNCTION bills.read_bills(
    p_participant_no integer, p_bill uuid, p_batch uuid, p_payee uuid, p_customer text,
    p_after uuid, p_limit integer)
RETURNS TABLE (request ledger.payment_request, participant text, customer text, due_on date,
               due_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
    SELECT r, ledger.participant_name(b.participant_no), b.customer, b.due_on, b.due_at
      FROM (SELECT * FROM bills.bill WHERE id = p_bill
             UNION ALL
            SELECT * FROM bills.bill WHERE batch = p_batch AND participant_no = p_participant_no
             UNION ALL
           (SELECT * FROM bills.bill
             WHERE payee = p_payee AND customer = p_customer
               AND id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
             ORDER BY id LIMIT p_limit)
             UNION ALL
           (SELECT * FROM bills.bill
             WHERE p_customer IS NULL AND participant_no = p_participant_no AND payee = p_payee
               AND id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
             ORDER BY id LIMIT p_limit)) b
     CROSS JOIN LATERAL ledger.read_payable_request(p_participant_no, b.id) r
     ORDER BY b.id
$$;
