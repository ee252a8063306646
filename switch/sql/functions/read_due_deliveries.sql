-- read_due_deliveries(participant_no, limit) → rows
--
-- Purpose     The events of a participant that are to be tried again now; of each payment the
--             earliest.
-- Parameters  p_participant_no  whose; p_limit  how many
-- Returns     rows as of read_new_deliveries, those that are due longest first
-- Locks       none
-- Tables      reads delivery, payment
CREATE OR REPLACE FUNCTION ledger.read_due_deliveries(p_participant_no integer, p_limit integer)
RETURNS TABLE (no bigint, kind smallint, subject uuid, happened_at timestamptz, payment uuid,
               attempts integer, is_behind boolean, traceparent text, span_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT d.no, d.kind, d.subject, d.happened_at, d.payment, d.attempts, false,
           y.traceparent, y.span_id
      FROM ledger.delivery d
      LEFT JOIN LATERAL (SELECT p.* FROM ledger.payment p
                          WHERE p.shard = 0 AND p.id = d.subject OFFSET 0) y ON true
     WHERE d.participant_no = p_participant_no AND d.due_at <= (SELECT ledger.decision_time())
     ORDER BY d.due_at, d.no LIMIT p_limit
$$;
