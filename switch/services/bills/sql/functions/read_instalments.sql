-- read_instalments(participant_no, bill) → rows
--
-- Purpose     The instalments of a bill, for its biller and for who gave the mandate.
-- Parameters  p_participant_no  who asks; p_bill
-- Returns     the columns of instalment, in their order
-- Locks       none
-- Tables      reads instalment, bill, mandate
CREATE OR REPLACE FUNCTION bills.read_instalments(p_participant_no integer, p_bill uuid)
RETURNS SETOF bills.instalment
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
    SELECT i.* FROM bills.instalment i
      JOIN bills.bill b ON b.id = i.bill
      LEFT JOIN ledger.mandate m ON m.id = i.mandate
     WHERE i.bill = p_bill AND p_participant_no IN (b.participant_no, m.participant_no)
     ORDER BY i.number
$$;
