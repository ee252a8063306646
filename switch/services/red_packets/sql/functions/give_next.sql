-- give_next(ids[], retry_s) → integer
--
-- Purpose     Gives red packets that were won and whose purses are open, as one batch: a transfer
--             each, from the giver's account. What is recorded here and what is decided is one
--             transaction.
-- Parameters  p_ids  what the payments are called: so many at most; p_retry_s  after a decline
-- Returns     how many were tried; a suspended giver's wait; SW003 as authorize_batch
-- Locks       the entries, those that are free; as ledger.authorize_batch
-- Tables      updates entry; as ledger.authorize_batch; reads packet, participant
CREATE OR REPLACE FUNCTION red_packets.give_next(p_ids uuid[], p_retry_s integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
DECLARE
    v_now     constant timestamptz := ledger.decision_time();
    v_due     record;
    v_decided record;
BEGIN
    SELECT array_agg(d.id) AS ids, array_agg(d.purse) AS purses,
           array_agg(d.attempts + 1) AS attempts, array_agg(k.participant_no) AS givers,
           array_agg(k.account) AS accounts, array_agg(k.amount) AS amounts,
           array_agg(k.currency) AS currencies, count(*)::integer AS count
      INTO STRICT v_due
      FROM (SELECT e.* FROM red_packets.entry e
              JOIN red_packets.packet k ON k.id = e.packet
              JOIN ledger.participant p ON p.participant_no = k.participant_no
             WHERE e.try_at <= v_now AND e.purse IS NOT NULL AND p.status = 'active'
             ORDER BY e.try_at, e.id LIMIT cardinality(p_ids)
               FOR NO KEY UPDATE OF e SKIP LOCKED) d
      JOIN red_packets.packet k ON k.id = d.packet;
    IF v_due.count = 0 THEN
        RETURN 0;
    END IF;
    SELECT * INTO STRICT v_decided
      FROM ledger.authorize_batch(
               0::smallint, v_due.givers,
               ARRAY(SELECT format('red-packet:%s:%s', m.id, m.attempt)
                       FROM unnest(v_due.ids, v_due.attempts) WITH ORDINALITY
                            AS m (id, attempt, position) ORDER BY m.position),
               ARRAY(SELECT sha256(uuid_send(m.id))
                       FROM unnest(v_due.ids) WITH ORDINALITY AS m (id, position)
                      ORDER BY m.position),
               p_ids[:v_due.count], array_fill(2::smallint, ARRAY[v_due.count]), v_due.accounts,
               v_due.purses, v_due.amounts, v_due.currencies, NULL, NULL, NULL, NULL, NULL, NULL);
    UPDATE red_packets.entry e
       SET attempts = m.attempt,
           status = CASE WHEN m.outcome = 0 THEN 'given' ELSE 'won' END,
           payment = CASE WHEN m.outcome = 0 THEN m.payment END,
           reason = CASE WHEN m.outcome <> 0 THEN (SELECT o.name FROM ledger.outcome o
                                                    WHERE o.code = m.outcome) END,
           try_at = CASE WHEN m.outcome <> 0 THEN v_now + make_interval(secs => p_retry_s) END
      FROM (SELECT u.id, u.attempt, u.payment, coalesce(u.outcome, 30) AS outcome
              FROM unnest(v_due.ids, v_due.attempts, v_decided.payment_ids, v_decided.outcomes)
                   AS u (id, attempt, payment, outcome)) m
     WHERE e.id = m.id;
    RETURN v_due.count;
END $$;
