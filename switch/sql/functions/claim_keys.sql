-- claim_keys(participant_no[], key[], digest[], payment_id[], operation[], parent[]) → arrays
--
-- Purpose     Claims the keys of a batch of payments or steps before anything else is looked at. A
--             twin that another transaction is deciding is waited for here, while no account is
--             locked yet.
-- Parameters  p_participant_no, p_key  whose key; p_digest  SHA-256 of the payload;
--             p_payment_id  the id that the payment gets if this message is the one that decides;
--             p_operation, p_parent  of steps: their type, and the payment; null for payments
-- Returns     dispositions  0 claimed now, 1 claimed before by the same message or barred, 2 spent
--             on something else
--             payment_ids   the payment that answers the message, null where disposition is 2
-- Locks       key claims in (participant, key) order
-- Tables      inserts and reads key_claim; reads payment_answer
CREATE OR REPLACE FUNCTION ledger.claim_keys(
    p_participant_no integer[], p_key text[], p_digest bytea[], p_payment_id uuid[],
    p_operation smallint[] DEFAULT NULL, p_parent uuid[] DEFAULT NULL,
    OUT dispositions smallint[], OUT payment_ids uuid[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_claimed integer;
BEGIN
    INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
    SELECT m.participant_no, coalesce(m.operation, 1), m.payment_id, m.digest, m.key
      FROM unnest(p_participant_no, p_key, p_digest, p_payment_id, p_operation)
           WITH ORDINALITY AS m (participant_no, key, digest, payment_id, operation, position)
     ORDER BY m.participant_no, m.key, m.position
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_claimed = ROW_COUNT;
    IF v_claimed = cardinality(p_key) THEN
        dispositions := array_fill(0::smallint, ARRAY[cardinality(p_key)]);
        payment_ids := p_payment_id;
        RETURN;
    END IF;

    -- A new statement sees the claims that were waited for, and our own.
    SELECT array_agg(d.disposition ORDER BY d.position),
           array_agg(CASE WHEN d.disposition < 2 THEN d.subject END ORDER BY d.position)
      INTO STRICT dispositions, payment_ids
      FROM (SELECT m.position, c.subject,
                   CASE WHEN c.subject = m.payment_id AND c.xmin = pg_current_xact_id()::xid
                         AND row_number() OVER (PARTITION BY c.subject ORDER BY m.position) = 1
                             THEN 0
                        WHEN c.operation = 4 THEN 1
                        WHEN c.operation = coalesce(m.operation, 1) AND c.digest = m.digest
                         AND (m.parent IS NULL
                              OR m.parent = coalesce(
                                     p_parent[array_position(p_payment_id, c.subject)],
                                     (SELECT y.parent FROM ledger.payment_answer y
                                       WHERE y.shard = 0 AND y.id = c.subject))) THEN 1
                        ELSE 2 END::smallint AS disposition
              FROM unnest(p_participant_no, p_key, p_digest, p_payment_id, p_operation, p_parent)
                   WITH ORDINALITY AS m (participant_no, key, digest, payment_id, operation, parent,
                                         position)
              JOIN ledger.key_claim c ON c.participant_no = m.participant_no AND c.key = m.key) d;
END $$;
