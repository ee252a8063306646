-- read_events(participant_no, after, limit) → rows
--
-- Purpose     The events of a participant's feed that follow a number. What was read once never
--             changes.
-- Parameters  p_participant_no  whose feed; p_after  the number after which to go on, 0 from the
--             start; p_limit  how many
-- Returns     rows of no, kind (ledger.outbox.kind), subject, happened_at, in order; none when
--             there are none yet
-- Locks       none
-- Tables      reads event_run
CREATE OR REPLACE FUNCTION ledger.read_events(
    p_participant_no integer, p_after bigint, p_limit integer)
RETURNS TABLE (no bigint, kind smallint, subject uuid, happened_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    -- Each run but the one that p_after stands in has at least one event to show.
    WITH run AS (
        SELECT r.* FROM ledger.event_run r
         WHERE r.participant_no = p_participant_no
           AND r.first_no >= coalesce((SELECT max(b.first_no) FROM ledger.event_run b
                                        WHERE b.participant_no = p_participant_no
                                          AND b.first_no <= p_after + 1), 0)
         ORDER BY r.first_no LIMIT p_limit + 1
    )
    SELECT run.first_no + e.item - 1, e.kind, e.subject, e.happened_at
      FROM run
     CROSS JOIN LATERAL (
           SELECT s.item, s.kind, s.subject, s.happened_at
             FROM unnest(run.kinds, run.subjects, run.happened_at)
                  WITH ORDINALITY AS s (kind, subject, happened_at, item)
            WHERE run.first_no + s.item - 1 > p_after
            ORDER BY s.item LIMIT p_limit) e
     ORDER BY run.first_no, e.item LIMIT p_limit
$$;
