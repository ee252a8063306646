-- read_own_keys(participant_no, after, limit) → one row a key
--
-- Purpose     A participant's keys as it sees them, revoked ones included.
-- Parameters  p_participant_no; p_after  the name after which to begin, null for the beginning;
--             p_limit  how many at most
-- Returns     name, public_key, not_before, not_after, created_at, introduced_by, confirmed_at,
--             revoked_at, used_at, in the order of their names
-- Locks       none
-- Tables      reads participant_key, key_use
CREATE OR REPLACE FUNCTION ledger.read_own_keys(
    p_participant_no integer, p_after text, p_limit integer)
RETURNS TABLE (name text, public_key bytea, not_before timestamptz, not_after timestamptz,
               created_at timestamptz, introduced_by text, confirmed_at timestamptz,
               revoked_at timestamptz, used_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT k.name, k.public_key, k.not_before, k.not_after, k.created_at, k.introduced_by,
           k.confirmed_at, k.revoked_at, u.used_at
      FROM ledger.participant_key k
      LEFT JOIN ledger.key_use u USING (participant_no, name)
     WHERE k.participant_no = p_participant_no
       AND (p_after IS NULL OR k.name COLLATE "C" > p_after)
     ORDER BY k.name COLLATE "C"
     LIMIT p_limit
$$;
