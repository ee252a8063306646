-- read_key_operation(id) → one row
--
-- Purpose     What a message about a signing key was answered.
-- Parameters  p_id  of the operation, which its claim names
-- Returns     name, operation, revoked, decided_at; of the key: public_key, not_before, not_after,
--             created_at, introduced_by
-- Locks       none
-- Tables      reads key_operation, participant_key
CREATE OR REPLACE FUNCTION ledger.read_key_operation(p_id uuid)
RETURNS TABLE (name text, operation text, revoked text[], decided_at timestamptz, public_key bytea,
               not_before timestamptz, not_after timestamptz, created_at timestamptz,
               introduced_by text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT o.name, o.operation, o.revoked, o.decided_at, k.public_key, k.not_before, k.not_after,
           k.created_at, k.introduced_by
      FROM ledger.key_operation o
      JOIN ledger.participant_key k USING (participant_no, name)
     WHERE o.id = p_id
$$;
