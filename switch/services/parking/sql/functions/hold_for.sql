-- hold_for(stay, number, payment_id) → outcome
--
-- Purpose     Holds the site's amount for a stay, by its mandate.
-- Parameters  p_stay  locked or made by this transaction; p_number  which hold of it, from 1;
--             p_payment_id  what the payment is called
-- Returns     ledger.outcome.code; 30 too where the operator has spent the key on something else
-- Locks       as ledger.authorize_batch
-- Tables      inserts hold; updates hold; as ledger.authorize_batch
CREATE OR REPLACE FUNCTION parking.hold_for(
    p_stay parking.stay, p_number smallint, p_payment_id uuid) RETURNS smallint
LANGUAGE plpgsql
AS $$
DECLARE
    v_site    parking.site;
    v_decided record;
    v_outcome smallint;
BEGIN
    SELECT * INTO STRICT v_site FROM parking.site WHERE id = p_stay.site;
    SELECT * INTO STRICT v_decided
      FROM ledger.authorize_batch(
               0::smallint, ARRAY[v_site.participant_no],
               ARRAY[format('parking:%s:hold:%s', p_stay.id, p_number)],
               ARRAY[sha256(convert_to(p_stay.id::text, 'UTF8'))], ARRAY[p_payment_id],
               ARRAY[1::smallint], ARRAY[NULL::uuid], ARRAY[v_site.account],
               ARRAY[v_site.hold_amount], ARRAY[v_site.currency], NULL, NULL, NULL,
               ARRAY[v_site.name], NULL, ARRAY[v_site.hold_seconds], NULL, NULL, NULL, NULL,
               ARRAY[p_stay.mandate]);
    v_outcome := coalesce(v_decided.outcomes[1], 30);
    UPDATE parking.hold SET is_last = false WHERE stay = p_stay.id AND is_last;
    INSERT INTO parking.hold (stay, number, payment, amount, outcome, expires_at, is_last)
    VALUES (p_stay.id, p_number, p_payment_id, v_site.hold_amount, v_outcome,
            v_decided.decided_at + make_interval(secs => v_site.hold_seconds),
            v_outcome = 0);
    RETURN v_outcome;
END $$;
