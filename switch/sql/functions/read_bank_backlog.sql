-- read_bank_backlog() → rows
--
-- Purpose     What waits for each bank, for the metrics and the operator.
-- Returns     one row a bank for which something waits or was given up: participant,
--             authorizations, credits and reversals that are not finished, how long the oldest of
--             them has waited, in seconds, 0 where none does; credits and reversals given up
-- Locks       none
-- Tables      reads bank_call, participant
CREATE OR REPLACE FUNCTION ledger.read_bank_backlog()
RETURNS TABLE (participant text, authorizations bigint, credits bigint, reversals bigint,
               oldest_age_s double precision, credits_given_up bigint, reversals_given_up bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, count(*) FILTER (WHERE b.kind = 1 AND b.is_open),
           count(*) FILTER (WHERE b.kind = 2 AND b.is_open),
           count(*) FILTER (WHERE b.kind = 3 AND b.is_open),
           max(b.age_s),
           count(*) FILTER (WHERE b.kind = 2 AND NOT b.is_open),
           count(*) FILTER (WHERE b.kind = 3 AND NOT b.is_open)
      FROM (SELECT c.participant_no, c.kind, true AS is_open,
                   extract(epoch FROM v.at - c.created_at)::double precision AS age_s
              FROM ledger.bank_call c, ledger.decision_time() AS v (at)
             WHERE c.finished_at IS NULL
             UNION ALL
            SELECT c.participant_no, c.kind, false, 0
              FROM ledger.bank_call c WHERE c.decision = 'given_up') b
      JOIN ledger.participant p ON p.participant_no = b.participant_no
     GROUP BY p.id
     ORDER BY p.id
$$;
