-- sequence_events(limit) → number of events
--
-- Purpose     Numbers what lies in the outbox, in the feed of each participant that holds the
--             payer's or the payee's account, of what was declined the payer's. Each row
--             drew its number under the locks of its decision: a cause, which was committed by
--             then, has the lower one, and whoever sees the effect sees the cause.
-- Parameters  p_limit  how much of the outbox at most, also of one run of a feed
-- Returns     how much of the outbox was taken; p_limit if there may be more
-- Locks       the sequencer's row, then the feeds, in participants' order
-- Tables      deletes outbox; reads account; inserts event_run; inserts and updates event_feed
CREATE OR REPLACE FUNCTION ledger.sequence_events(p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_taken bigint;
BEGIN
    PERFORM FROM ledger.event_sequencer FOR UPDATE;
    WITH ready AS MATERIALIZED (
        SELECT o.ctid AS row, o.*, row_number() OVER (ORDER BY o.no) AS position
          FROM ledger.outbox o
         ORDER BY o.no LIMIT p_limit
    ), taken AS (
        DELETE FROM ledger.outbox WHERE ctid = ANY (ARRAY(SELECT row FROM ready))
    ), told AS (
        SELECT DISTINCT a.participant_no, r.position, r.kind, r.subject, r.happened_at
          FROM ready r
          JOIN ledger.account a ON a.shard = 0
                               AND a.id IN (r.payer, CASE WHEN r.kind <> 3 THEN r.payee END)
         WHERE a.participant_no <> 0
         UNION ALL
        SELECT r.participant_no, r.position, r.kind, r.subject, r.happened_at
          FROM ready r WHERE r.participant_no IS NOT NULL
    ), runs AS (
        SELECT t.participant_no, count(*) AS events,
               array_agg(t.kind ORDER BY t.position) AS kinds,
               array_agg(t.subject ORDER BY t.position) AS subjects,
               array_agg(t.happened_at ORDER BY t.position) AS happened_at
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
    SELECT count(*) INTO STRICT v_taken FROM ready;
    RETURN v_taken;
END $$;
