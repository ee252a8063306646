-- read_told(participant_no, ids, runs) → one row an event
--
-- Purpose     Which events told of payments and steps, for their timeline: of those approved, and
--             of those that were declined after they had waited for a bank, the payer's side. An
--             event is numbered a moment after what it tells of, so only the next runs of a feed
--             are looked through; one that is no longer kept is not found.
-- Parameters  p_participant_no  whose feed, null for all feeds; p_ids  payments and steps; p_runs
--             how many runs of a feed to look through for each
-- Returns     participant, number in its feed, kind (ledger.outbox.kind), subject, and when it was
--             numbered; taken_at and attempts of its push, null where no callback URL took it
-- Locks       none
-- Tables      reads payment, account, participant, event_run, delivery_run, delivery_taken
CREATE OR REPLACE FUNCTION ledger.read_told(
    p_participant_no integer, p_ids uuid[], p_runs integer)
RETURNS TABLE (
    participant text, no bigint, kind smallint, subject uuid, sequenced_at timestamptz,
    taken_at timestamptz, attempts integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, found.no, w.kind, y.id, found.sequenced_at, pushed.taken_at, pushed.attempts
      FROM ledger.payment y
     CROSS JOIN LATERAL (
           VALUES (1::smallint, CASE WHEN y.outcome = 0
                                     THEN coalesce(y.decided_at, y.created_at) END),
                  (2::smallint, CASE WHEN y.outcome = 0 THEN y.hold_expires_at END),
                  (3::smallint, CASE WHEN y.outcome <> 0 THEN y.decided_at END))
                AS w (kind, happened_at)
     CROSS JOIN LATERAL (
           SELECT DISTINCT a.participant_no FROM ledger.account a
            WHERE a.shard = y.shard AND a.id IN (y.payer, CASE WHEN w.kind <> 3 THEN y.payee END)
              AND (p_participant_no IS NULL OR a.participant_no = p_participant_no)) a
      JOIN ledger.participant p ON p.participant_no = a.participant_no
     CROSS JOIN LATERAL (
           SELECT r.first_no + e.item - 1 AS no, r.sequenced_at
             FROM (SELECT * FROM ledger.event_run r
                    WHERE r.participant_no = a.participant_no
                      AND r.sequenced_at >= w.happened_at - interval '1 second'
                    ORDER BY r.sequenced_at LIMIT p_runs) r
            CROSS JOIN LATERAL unnest(r.kinds, r.subjects) WITH ORDINALITY
                       AS e (kind, subject, item)
            WHERE y.id = ANY (r.subjects) AND e.subject = y.id AND e.kind = w.kind
            ORDER BY r.sequenced_at LIMIT 1) found
      LEFT JOIN LATERAL (
           SELECT t.taken_at, t.attempts FROM ledger.delivery_taken t
            WHERE t.participant_no = a.participant_no AND t.no = found.no
            UNION ALL
           SELECT r.taken_at, 1
             FROM (SELECT * FROM ledger.delivery_run r
                    WHERE r.participant_no = a.participant_no AND r.first_no <= found.no
                    ORDER BY r.first_no DESC LIMIT 1) r
            WHERE r.last_no >= found.no AND found.no <> ALL (r.left_nos)) pushed ON true
     WHERE y.shard = 0 AND y.id = ANY (p_ids)
     ORDER BY found.sequenced_at, found.no
$$;
