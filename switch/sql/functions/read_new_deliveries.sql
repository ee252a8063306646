-- read_new_deliveries(participant_no, limit) → rows
--
-- Purpose     The events of a participant's feed that were not passed yet.
-- Parameters  p_participant_no  whose; p_limit  how many
-- Returns     rows of no, kind, subject, happened_at, payment (its own, or that of its step),
--             attempts (0), is_behind (an earlier event of the payment waits), traceparent and
--             span_id of the subject, in order
-- Locks       none
-- Tables      reads delivery_cursor, event_run, payment, delivery
CREATE OR REPLACE FUNCTION ledger.read_new_deliveries(p_participant_no integer, p_limit integer)
RETURNS TABLE (no bigint, kind smallint, subject uuid, happened_at timestamptz, payment uuid,
               attempts integer, is_behind boolean, traceparent text, span_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT e.no, e.kind, e.subject, e.happened_at, coalesce(y.parent, e.subject), 0,
           EXISTS (SELECT FROM ledger.delivery d
                    WHERE d.participant_no = p_participant_no AND d.dead_at IS NULL
                      AND d.payment = coalesce(y.parent, e.subject) AND d.no < e.no),
           y.traceparent, y.span_id
      FROM ledger.delivery_cursor c
     CROSS JOIN LATERAL ledger.read_events(p_participant_no, c.passed_no, p_limit) e
      LEFT JOIN LATERAL (SELECT p.* FROM ledger.payment p
                          WHERE p.shard = 0 AND p.id = e.subject OFFSET 0) y ON true
     WHERE c.participant_no = p_participant_no
     ORDER BY e.no
$$;
