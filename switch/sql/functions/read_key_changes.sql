-- read_key_changes(participant_no, ids) → rows
--
-- Purpose     What happened to a participant's keys, for the events that tell of it. It never
--             changes.
-- Parameters  p_participant_no  whose; p_ids  of key_change
-- Returns     id, participant, name, change, by_key, not_before, not_after, happened_at of those
--             that are its own
-- Locks       none
-- Tables      reads key_change, participant, participant_key
CREATE OR REPLACE FUNCTION ledger.read_key_changes(p_participant_no integer, p_ids uuid[])
RETURNS TABLE (id uuid, participant text, name text, change text, by_key text,
               not_before timestamptz, not_after timestamptz, happened_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT c.id, p.id, c.name, c.change, c.by_key, k.not_before, k.not_after, c.happened_at
      FROM ledger.key_change c
      JOIN ledger.participant p USING (participant_no)
      JOIN ledger.participant_key k USING (participant_no, name)
     WHERE c.id = ANY (p_ids) AND c.participant_no = p_participant_no
$$;
