-- add_gate(participant_no, key, digest, id, network, name, public_key) → one row
--
-- Purpose     Makes a gate of a network known, for its operator's signed message, once a key.
-- Parameters  p_participant_no, p_key, p_digest  as give_network; p_id  what it is called if this
--             message makes it known; the others as the columns
-- Returns     disposition  0 known now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such network of the participant (no key spent), 5 barred; gate
--             where it is 0 or 1
-- Locks       the key claim
-- Tables      as ledger.claim_subject; inserts gate; reads network
CREATE OR REPLACE FUNCTION transit.add_gate(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_network uuid, p_name text,
    p_public_key bytea, OUT disposition smallint, OUT gate transit.gate)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
DECLARE
    v_subject uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM transit.network n
                    WHERE n.id = p_network AND n.participant_no = p_participant_no) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO transit.gate (id, network, name, public_key, created_at)
        VALUES (p_id, p_network, p_name, p_public_key, ledger.decision_time());
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT gate FROM transit.gate g WHERE g.id = v_subject;
    END IF;
END $$;
