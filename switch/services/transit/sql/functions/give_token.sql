-- give_token(participant_no, key, digest, id, network, mandate, public_key, …) → one row
--
-- Purpose     Makes a token for a rider of the participant, for its signed message, once a key.
-- Parameters  p_participant_no, p_key, p_digest  as give_network; p_id  what it is called if this
--             message makes it; p_network  anybody's; p_mandate  by which rides are paid: the
--             participant's, for the network's account; the others as the columns
-- Returns     disposition  0 made now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such network, 5 barred, 6 no such mandate, 7 the network's
--             latest fares know no such class (4, 6 and 7 spend no key); token  where it is 0
--             or 1
-- Locks       the key claim
-- Tables      as ledger.claim_subject; inserts token; reads network, fare_table, mandate
CREATE OR REPLACE FUNCTION transit.give_token(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_network uuid,
    p_mandate uuid, p_public_key bytea, p_rider_class text, p_not_before timestamptz,
    p_not_after timestamptz, p_signed text, OUT disposition smallint, OUT token transit.token)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
DECLARE
    v_now     constant timestamptz := ledger.decision_time();
    v_subject uuid;
    v_network transit.network;
BEGIN
    SELECT * INTO v_network FROM transit.network n WHERE n.id = p_network;
    disposition := CASE
        WHEN NOT FOUND THEN 4
        WHEN ledger.is_spent(p_participant_no, p_key) THEN NULL
        WHEN NOT transit.may_pay(p_participant_no, p_mandate, v_network) THEN 6
        WHEN NOT coalesce((SELECT (f.content::jsonb -> 'classes') ? p_rider_class
                             FROM transit.fare_table f WHERE f.network = p_network
                            ORDER BY f.from_day DESC LIMIT 1), false) THEN 7
    END;
    IF disposition IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO transit.token
            (id, network, participant_no, mandate, public_key, rider_class, liability_max,
             not_before, not_after, created_at, signed)
        VALUES (p_id, p_network, p_participant_no, p_mandate, p_public_key, p_rider_class,
                v_network.liability_max, p_not_before, p_not_after, v_now, p_signed);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT token FROM transit.token t WHERE t.id = v_subject;
    END IF;
END $$;
