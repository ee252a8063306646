-- revoke_with_introduced(participant_no, name, by, at) → text[]
--
-- Purpose     Revokes a key, what it introduced, what that introduced, and so on; only where the
--             operator has confirmed a key does it end.
-- Parameters  p_participant_no, p_name  the key; p_by  the name of the key that signed for it, null
--             for the operator; p_at  the time of it
-- Returns     the names of the keys that this call revoked, in their order; empty when there was
--             nothing left to revoke
-- Locks       participant_key rows; the caller holds the participant
-- Tables      updates participant_key
CREATE OR REPLACE FUNCTION ledger.revoke_with_introduced(
    p_participant_no integer, p_name text, p_by text, p_at timestamptz) RETURNS text[]
LANGUAGE sql
AS $$
    WITH RECURSIVE reached AS (
        SELECT name FROM ledger.participant_key
         WHERE participant_no = p_participant_no AND name = p_name
         UNION
        SELECT k.name
          FROM reached r
          JOIN ledger.participant_key k ON k.participant_no = p_participant_no
               AND k.introduced_by = r.name AND k.confirmed_at IS NULL
    ), revoked AS (
        UPDATE ledger.participant_key k
           SET revoked_at = p_at, revoked_by = p_by
          FROM reached r
         WHERE k.participant_no = p_participant_no AND k.name = r.name AND k.revoked_at IS NULL
        RETURNING k.name
    )
    SELECT coalesce(array_agg(name ORDER BY name COLLATE "C"), '{}') FROM revoked
$$;
