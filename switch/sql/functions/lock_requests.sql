-- lock_requests(payer_sides[], requests[], payers[], payees[], dispositions[]) → arrays
--
-- Purpose     Locks the payment requests that messages of a batch pay, and tells which is whose.
-- Parameters  p_payer_side  who sent each message, or gave the mandate that it relies on: whoever
--             does not hold the payer's account locks nobody out; p_request  null where it pays
--             none; p_payer, p_payee; p_dispositions  0 for the messages to decide
-- Returns     requests  the locked ones; places  of each message, where its own stands among them,
--             0 where there is none for this payee, null where the message names none
-- Locks       payment requests in id order, FOR NO KEY UPDATE
-- Tables      reads payment_request, account
CREATE OR REPLACE FUNCTION ledger.lock_requests(
    p_payer_side integer[], p_request uuid[], p_payer uuid[], p_payee uuid[],
    p_dispositions smallint[], OUT requests ledger.payment_request[], OUT places integer[])
LANGUAGE plpgsql
AS $$
BEGIN
    requests := ARRAY(
        SELECT r FROM ledger.payment_request r
         WHERE r.id = ANY (ARRAY(
                   SELECT m.request
                     FROM unnest(p_payer_side, p_request, p_payer, p_dispositions)
                          AS m (payer_side, request, payer, disposition)
                     JOIN ledger.account a ON a.shard = 0 AND a.id = m.payer
                                          AND a.participant_no = m.payer_side
                    WHERE m.disposition = 0))
         ORDER BY r.id
           FOR NO KEY UPDATE);
    SELECT array_agg(CASE WHEN m.request IS NOT NULL THEN coalesce(found.place, 0) END
                     ORDER BY m.position)
      INTO STRICT places
      FROM unnest(p_request, p_payee) WITH ORDINALITY AS m (request, payee, position)
      LEFT JOIN (SELECT requests[place] AS request, place
                   FROM generate_subscripts(requests, 1) AS place) found
             ON (found.request).id = m.request AND (found.request).payee = m.payee;
END $$;
