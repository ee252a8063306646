-- plan_instalments(participant_no, key, digest, bill, mandate, amounts[], due_on[]) → one row
--
-- Purpose     Has what is left of a bill taken in parts by a mandate, each from its day on, for the
--             biller's signed message, once a key, and once a bill.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_bill  of the participant; p_mandate  for its payee; p_amounts,
--             p_due_on  of the parts, in the order of their days
-- Returns     disposition  0 planned now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such bill of the participant, 5 barred, 6 no mandate for its
--             payee, 7 it is paid in instalments, 8 the parts do not add up to what is left, 9 one
--             is less than the bill takes (4 and 6 to 9 spend no key)
-- Locks       the bill, then the key claim
-- Tables      as ledger.claim_subject; inserts instalment; reads payment_request, mandate
CREATE OR REPLACE FUNCTION bills.plan_instalments(
    p_participant_no integer, p_key text, p_digest bytea, p_bill uuid, p_mandate uuid,
    p_amounts bigint[], p_due_on date[], OUT disposition smallint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = bills, pg_temp
AS $$
DECLARE
    v_bill    bills.bill;
    v_request ledger.payment_request;
BEGIN
    SELECT * INTO v_bill FROM bills.bill b
     WHERE b.id = p_bill AND b.participant_no = p_participant_no FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_request FROM ledger.payment_request r WHERE r.id = p_bill;
    IF NOT ledger.is_spent(p_participant_no, p_key) THEN
        disposition := CASE
            WHEN NOT EXISTS (SELECT FROM ledger.mandate m
                              WHERE m.id = p_mandate AND m.payee = v_bill.payee
                                AND m.currency = v_request.currency) THEN 6
            WHEN EXISTS (SELECT FROM bills.instalment i WHERE i.bill = p_bill) THEN 7
            WHEN (SELECT sum(amount) FROM unnest(p_amounts) AS amount)
                 <> ledger.asked_at(v_request, ledger.decision_time()) - v_request.paid THEN 8
            WHEN cardinality(p_amounts) > 1
                AND (v_request.amount_min = v_request.amount
                     OR v_request.amount_min > ANY (p_amounts[:cardinality(p_amounts) - 1]))
                THEN 9
        END;
        IF disposition IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    SELECT c.disposition INTO STRICT disposition
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_bill, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO bills.instalment (bill, number, amount, due_on, mandate, take_at)
        SELECT p_bill, m.number, m.amount, m.due_on, p_mandate, ledger.day_begins_at(m.due_on)
          FROM unnest(p_amounts, p_due_on) WITH ORDINALITY AS m (amount, due_on, number);
    END IF;
END $$;
