-- list_keys() → one row a key
--
-- Purpose  All keys of participants and the switch's own (participant `switch`).
-- Returns  participant, name, public_key, not_before, not_after, introduced_by, confirmed_at,
--          revoked_at, used_at; of the switch's own keys the last four are null
-- Locks    none
-- Tables   reads participant, participant_key, key_use, switch_key
CREATE OR REPLACE FUNCTION ledger.list_keys()
RETURNS TABLE (participant text, name text, public_key bytea, not_before timestamptz,
               not_after timestamptz, introduced_by text, confirmed_at timestamptz,
               revoked_at timestamptz, used_at timestamptz)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, k.name, k.public_key, k.not_before, k.not_after, k.introduced_by, k.confirmed_at,
           k.revoked_at, u.used_at
      FROM ledger.participant_key k
      JOIN ledger.participant p USING (participant_no)
      LEFT JOIN ledger.key_use u USING (participant_no, name)
     UNION ALL
    SELECT 'switch', name, public_key, not_before, not_after, null, null, null, null
      FROM ledger.switch_key
     ORDER BY 1, 4, 2
$$;
