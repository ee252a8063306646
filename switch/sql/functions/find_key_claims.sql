-- find_key_claims(key, participant) → one row a participant
--
-- Purpose     What a key was spent on, by whomever, for the operator.
-- Parameters  p_key; p_participant  only this participant's, null for all
-- Returns     participant, operation and subject of key_claim
-- Locks       none
-- Tables      reads participant, key_claim
CREATE OR REPLACE FUNCTION ledger.find_key_claims(p_key text, p_participant text)
RETURNS TABLE (participant text, operation smallint, subject uuid)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, c.operation, c.subject
      FROM ledger.participant p
      JOIN ledger.key_claim c ON c.participant_no = p.participant_no AND c.key = p_key
     WHERE p_participant IS NULL OR p.id = p_participant
     ORDER BY p.id
$$;
