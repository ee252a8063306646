-- read_bank_backlog() → rows
--
-- Purpose     What waits for each bank, for the metrics and the operator.
-- Returns     one row a bank for which something waits: participant, authorizations, credits and
--             reversals that are not finished, and how long the oldest of them has waited, in
--             seconds
-- Locks       none
-- Tables      reads bank_call, participant
CREATE OR REPLACE FUNCTION ledger.read_bank_backlog()
RETURNS TABLE (participant text, authorizations bigint, credits bigint, reversals bigint,
               oldest_age_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, count(*) FILTER (WHERE b.kind = 1), count(*) FILTER (WHERE b.kind = 2),
           count(*) FILTER (WHERE b.kind = 3),
           extract(epoch FROM ledger.decision_time() - min(b.created_at))::double precision
      FROM ledger.bank_call b
      JOIN ledger.participant p ON p.participant_no = b.participant_no
     WHERE b.finished_at IS NULL
     GROUP BY p.id
     ORDER BY p.id
$$;
