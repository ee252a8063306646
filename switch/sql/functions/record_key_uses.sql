-- record_key_uses(participant_no[], name[], used_at[])
--
-- Purpose     Notes when keys last signed a request, told by a worker about once a minute.
-- Parameters  p_participant_no, p_name  the keys; p_used_at  the latest time of each
-- Returns     nothing; a key that is not there is passed over
-- Locks       key_use rows in (participant, name) order, so that workers never wait in a circle
-- Tables      inserts and updates key_use; reads participant_key
CREATE OR REPLACE FUNCTION ledger.record_key_uses(
    p_participant_no integer[], p_name text[], p_used_at timestamptz[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    INSERT INTO ledger.key_use AS u (participant_no, name, used_at)
    SELECT participant_no, name, max(m.used_at)
      FROM unnest(p_participant_no, p_name, p_used_at) AS m (participant_no, name, used_at)
      JOIN ledger.participant_key k USING (participant_no, name)
     GROUP BY participant_no, name
     ORDER BY participant_no, name
        ON CONFLICT (participant_no, name)
        DO UPDATE SET used_at = greatest(u.used_at, excluded.used_at)
$$;
