-- lock_mandates(participant_no[], mandates[], payees[], dispositions[]) → one row of arrays
--
-- Purpose     Locks the mandates that messages of a batch rely on, and tells which is whose. One
--             without a payee, a payment code, is for any payee that mandates can be given for.
-- Parameters  p_participant_no  who sent each message: to whoever does not hold the payee's account
--             no mandate is known; p_mandate  null where it relies on none; p_payee  who is to be
--             paid; p_dispositions  0 for the messages to decide
-- Returns     mandates  the locked ones. Of each message: payers, payer_sides  whose account it is
--             and its participant, null where there is no such mandate for this payee; places
--             where it stands among the locked, 0 where there is none for this payee, null where
--             the message relies on none
-- Locks       mandates in id order, FOR NO KEY UPDATE
-- Tables      reads mandate, account
CREATE OR REPLACE FUNCTION ledger.lock_mandates(
    p_participant_no integer[], p_mandate uuid[], p_payee uuid[], p_dispositions smallint[],
    OUT mandates ledger.mandate[], OUT payers uuid[], OUT payer_sides integer[],
    OUT places integer[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_known constant uuid[] := ARRAY(
        SELECT CASE WHEN m.disposition = 0
                     AND EXISTS (SELECT FROM ledger.account b
                                  WHERE b.shard = 0 AND b.id = m.payee
                                    AND b.participant_no = m.participant_no
                                    AND b.kind IN ('wallet', 'merchant', 'government'))
                    THEN m.mandate END
          FROM unnest(p_participant_no, p_mandate, p_payee, p_dispositions) WITH ORDINALITY
               AS m (participant_no, mandate, payee, disposition, position)
         ORDER BY m.position);
BEGIN
    mandates := ARRAY(SELECT m FROM ledger.mandate m WHERE m.id = ANY (v_known) ORDER BY m.id
                         FOR NO KEY UPDATE);
    SELECT array_agg(found.payer ORDER BY m.position),
           array_agg(found.participant_no ORDER BY m.position),
           array_agg(CASE WHEN m.mandate IS NOT NULL THEN coalesce(found.place, 0) END
                     ORDER BY m.position)
      INTO STRICT payers, payer_sides, places
      FROM unnest(p_mandate, v_known, p_payee) WITH ORDINALITY
           AS m (mandate, known, payee, position)
      LEFT JOIN (SELECT mandates[place] AS mandate, (mandates[place]).payer,
                        (mandates[place]).participant_no, place
                   FROM generate_subscripts(mandates, 1) AS place) found
             ON (found.mandate).id = m.known
            AND coalesce((found.mandate).payee, m.payee) = m.payee;
END $$;
