-- list_participants() → one row a participant
--
-- Purpose  The operator's list.
-- Returns  id, kind, status, callback_url, bank_url, created_at, keys (how many are valid now)
-- Locks    none
-- Tables   reads participant, participant_key
CREATE OR REPLACE FUNCTION ledger.list_participants()
RETURNS TABLE (id text, kind text, status text, callback_url text, bank_url text,
               created_at timestamptz, keys bigint)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, p.kind, p.status, p.callback_url, p.bank_url, p.created_at,
           (SELECT count(*) FROM ledger.participant_key k
             WHERE k.participant_no = p.participant_no AND k.revoked_at IS NULL
               AND ledger.decision_time() BETWEEN k.not_before AND k.not_after)
      FROM ledger.participant p
     WHERE p.kind <> 'operator'
     ORDER BY p.id
$$;
