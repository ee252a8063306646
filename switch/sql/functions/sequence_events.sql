-- sequence_events(limit) → number of events
--
-- Purpose     Numbers what lies in the outbox, in the feed of each participant that is to be told.
--             Each row drew its number under the locks of its decisions: a cause, which was
--             committed by then, has the lower one, and whoever sees the effect sees the cause.
-- Parameters  p_limit  how many events at most, also in one run of a feed; the last batch whole
-- Returns     how many events were taken; p_limit or more if there may be others
-- Locks       the sequencer's row, then the feeds, in participants' order
-- Tables      deletes outbox; inserts event_run; inserts and updates event_feed
CREATE OR REPLACE FUNCTION ledger.sequence_events(p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_taken bigint;
BEGIN
    PERFORM FROM ledger.event_sequencer FOR UPDATE;
    WITH ready AS MATERIALIZED (
        SELECT o.*
          FROM (SELECT *, row_number() OVER earlier AS position,
                       sum(cardinality(subjects)) OVER earlier - cardinality(subjects) AS before
                  FROM (SELECT *, ctid AS place FROM ledger.outbox ORDER BY no LIMIT p_limit) first
                WINDOW earlier AS (ORDER BY no)) o
         WHERE o.before < p_limit
    ), taken AS (
        DELETE FROM ledger.outbox WHERE ctid = ANY (ARRAY(SELECT place FROM ready))
    ), event AS MATERIALIZED (
        SELECT r.position, s.item, r.kind, r.happened_at, s.subject, s.payer_side, s.payee_side
          FROM ready r
         CROSS JOIN LATERAL unnest(r.subjects, r.payer_sides, r.payee_sides) WITH ORDINALITY
                            AS s (subject, payer_side, payee_side, item)
    ), told AS (
        SELECT e.payer_side AS participant_no, e.* FROM event e WHERE e.payer_side <> 0
         UNION ALL
        SELECT e.payee_side, e.* FROM event e
         WHERE e.payee_side <> 0 AND e.payee_side <> e.payer_side
    ), runs AS (
        SELECT t.participant_no, count(*) AS events,
               array_agg(t.kind ORDER BY t.position, t.item) AS kinds,
               array_agg(t.subject ORDER BY t.position, t.item) AS subjects,
               array_agg(t.happened_at ORDER BY t.position, t.item) AS happened_at
          FROM told t
         GROUP BY t.participant_no
         ORDER BY t.participant_no
    ), feeds AS (
        INSERT INTO ledger.event_feed AS f (participant_no, last_no)
        SELECT participant_no, events FROM runs
            ON CONFLICT (participant_no) DO UPDATE SET last_no = f.last_no + excluded.last_no
        RETURNING f.participant_no, f.last_no
    ), recorded AS (
        INSERT INTO ledger.event_run (participant_no, first_no, sequenced_at, kinds, subjects,
                                      happened_at)
        SELECT r.participant_no, f.last_no - r.events + 1, ledger.decision_time(), r.kinds,
               r.subjects, r.happened_at
          FROM runs r JOIN feeds f USING (participant_no)
    )
    SELECT coalesce(sum(cardinality(subjects)), 0) INTO STRICT v_taken FROM ready;
    RETURN v_taken;
END $$;
