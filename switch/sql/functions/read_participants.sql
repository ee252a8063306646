-- read_participants() → one row a participant and unrevoked key
--
-- Purpose  Everything the workers know of participants and their keys.
-- Returns  participant_no, participant, kind, status, and per unrevoked key key_name, key_no,
--          public_key, not_before, not_after; a participant without a key has one row with null
--          there
-- Locks    none
-- Tables   reads participant, participant_key
CREATE OR REPLACE FUNCTION ledger.read_participants()
RETURNS TABLE (participant_no integer, participant text, kind text, status text, key_name text,
               key_no integer, public_key bytea,
               not_before timestamptz, not_after timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT p.participant_no, p.id, p.kind, p.status, k.name, k.key_no, k.public_key, k.not_before,
           k.not_after
      FROM ledger.participant p
      LEFT JOIN ledger.participant_key k ON k.participant_no = p.participant_no
          AND k.revoked_at IS NULL
     WHERE p.kind <> 'operator'
$$;
