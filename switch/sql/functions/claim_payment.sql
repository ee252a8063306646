-- claim_payment(id, type, payer, payee, amount, parent) → (is_known, outcome)
--
-- Purpose     Claims the id of a payment of the operator, which is its key too, or finds what it
--             was spent on.
-- Parameters  p_id  the payment's id; p_type … p_parent  what it is about
-- Returns     is_known  it was made before; then outcome  the stored one, null while it waits for a
--             bank; SW001 when the id was spent on something else
-- Locks       the key claim
-- Tables      inserts key_claim; reads payment, pending_payment
CREATE OR REPLACE FUNCTION ledger.claim_payment(
    p_id uuid, p_type smallint, p_payer uuid, p_payee uuid, p_amount bigint, p_parent uuid,
    OUT is_known boolean, OUT outcome smallint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_stored record;
BEGIN
    INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
    VALUES (0, 1, p_id, sha256(convert_to(p_id::text, 'UTF8')), p_id::text)
        ON CONFLICT DO NOTHING;
    SELECT participant_no, type, payer, payee, amount, parent, y.outcome INTO v_stored
      FROM ledger.payment y WHERE shard = 0 AND id = p_id
     UNION ALL
    SELECT participant_no, type, payer, payee, amount, parent, null
      FROM ledger.pending_payment WHERE shard = 0 AND id = p_id;
    is_known := FOUND;
    outcome := v_stored.outcome;
    IF is_known AND (v_stored.participant_no, v_stored.type, v_stored.payer, v_stored.payee,
                     v_stored.amount, v_stored.parent)
                    IS DISTINCT FROM (0, p_type, p_payer, p_payee, p_amount, p_parent) THEN
        PERFORM ledger.refuse(format('the id %s was used for another payment', p_id),
                              'repeat that one exactly, or leave the id out for a new one');
    END IF;
END $$;
