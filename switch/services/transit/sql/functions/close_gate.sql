-- close_gate(participant_no, key, digest, gate) → one row
--
-- Purpose     Takes a gate out of use, for its operator's signed message, once a key: nothing that
--             it says from now on counts, whenever it says it was.
-- Parameters  p_participant_no, p_key, p_digest  as give_network; p_gate
-- Returns     disposition  0 closed now, or it was, 1 before by the same message, 2 the key was
--             spent on something else, 4 no such gate of the participant (no key spent), 5 barred;
--             gate  where it is 0 or 1
-- Locks       the gate, then the key claim
-- Tables      as ledger.claim_subject; updates gate; reads network
CREATE OR REPLACE FUNCTION transit.close_gate(
    p_participant_no integer, p_key text, p_digest bytea, p_gate uuid,
    OUT disposition smallint, OUT gate transit.gate)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
BEGIN
    SELECT g.* INTO gate
      FROM transit.gate g JOIN transit.network n ON n.id = g.network
     WHERE g.id = p_gate AND n.participant_no = p_participant_no
       FOR NO KEY UPDATE OF g;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT c.disposition INTO STRICT disposition
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_gate, 9::smallint) c;
    IF disposition = 0 AND gate.closed_at IS NULL THEN
        UPDATE transit.gate g SET closed_at = ledger.decision_time() WHERE g.id = p_gate
        RETURNING * INTO gate;
    END IF;
END $$;
