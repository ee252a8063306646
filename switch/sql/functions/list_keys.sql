-- list_keys() → one row a key
--
-- Purpose  All keys of participants and the switch's own (participant `switch`).
-- Returns  participant, name, public_key, not_before, not_after, revoked_at
-- Locks    none
-- Tables   reads participant, participant_key, switch_key
CREATE OR REPLACE FUNCTION ledger.list_keys()
RETURNS TABLE (participant text, name text, public_key bytea, not_before timestamptz,
               not_after timestamptz,
               revoked_at timestamptz)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, k.name, k.public_key, k.not_before, k.not_after, k.revoked_at
      FROM ledger.participant_key k
      JOIN ledger.participant p USING (participant_no)
     UNION ALL
    SELECT 'switch', name, public_key, not_before, not_after, null FROM ledger.switch_key
     ORDER BY 1, 4, 2
$$;
