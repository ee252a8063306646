-- decide_steps(…arrays, one element a step…) → one row of arrays
--
-- Purpose     Decides captures, voids and refunds in one transaction, as in the order of their
--             positions; a refusal is a value and undoes nothing of its neighbours.
-- Parameters  p_shard           the shard of all payers (0 while there is one)
--             p_participant_no  who sent the message
--             p_key, p_digest   its idempotency key and the SHA-256 of its payload
--             p_payment_id      the id the step gets if this message decides the key
--             p_type            11 capture, 12 void, 13 refund; p_parent  of which payment
--             p_amount          minor units, null for all that is left; p_final  whether a capture
--             releases the rest
--             p_key_no, p_queue_us, p_traceparent, p_span_id  as authorize_batch
-- Returns     as authorize_batch, SW003 included; 40001, for the whole to be repeated, when a bank
--             decided one of the payments after the locks were taken
-- Locks       1. key claims in (participant, key) order;
--             2. accounts that are debited or whose balance is capped, in id order;
--             3. states of the payments, in id order; unfolded credits of accounts locked in 2.
-- Tables      as decide_step and capture_at_once; inserts key_claim
CREATE OR REPLACE FUNCTION ledger.decide_steps(
    p_shard smallint, p_participant_no integer[], p_key text[], p_digest bytea[],
    p_payment_id uuid[], p_type smallint[], p_parent uuid[], p_amount bigint[], p_final boolean[],
    p_key_no integer[] DEFAULT NULL, p_queue_us integer[] DEFAULT NULL,
    p_traceparent text[] DEFAULT NULL, p_span_id text[] DEFAULT NULL,
    OUT decided_at timestamptz, OUT dispositions smallint[], OUT outcomes smallint[],
    OUT payment_ids uuid[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_count   constant integer := cardinality(p_key);
    v_decided uuid[];  -- of the payments, those whose accounts are locked
BEGIN
    IF EXISTS (SELECT FROM unnest(p_type) AS type WHERE type NOT IN (11, 12, 13))
       OR 0 = ANY (p_participant_no) THEN
        RAISE EXCEPTION 'only captures, voids and refunds of participants are decided here'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO STRICT dispositions, payment_ids
      FROM ledger.claim_keys(p_participant_no, p_key, p_digest, p_payment_id, p_type, p_parent);
    v_decided := ARRAY(SELECT id FROM ledger.payment
                        WHERE shard = p_shard AND id = ANY (p_parent));
    -- Whoever may not take the step locks nobody out.
    PERFORM FROM ledger.account
      WHERE shard = p_shard AND id IN (
            SELECT ledger.step_source(p_shard, y, m.type)
              FROM unnest(p_participant_no, p_type, p_parent, dispositions)
                   AS m (participant_no, type, parent, disposition)
              JOIN ledger.payment y ON y.shard = p_shard AND y.id = m.parent
              JOIN ledger.account a ON a.shard = p_shard AND a.participant_no = m.participant_no
                                   AND a.id IN (y.payee, CASE WHEN m.type <> 13 THEN y.payer END)
             WHERE m.disposition = 0
             UNION
            SELECT y.payee
              FROM unnest(p_participant_no, p_type, p_parent, dispositions)
                   AS m (participant_no, type, parent, disposition)
              JOIN ledger.payment y ON y.shard = p_shard AND y.id = m.parent
              JOIN ledger.account a ON a.shard = p_shard AND a.id = y.payee
                                   AND a.participant_no = m.participant_no
              JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency
             WHERE m.disposition = 0 AND m.type = 11 AND t.balance_limit IS NOT NULL)
      ORDER BY id
        FOR NO KEY UPDATE;
    -- A capture and a refund of one payment lock different accounts, so the order matters here too.
    PERFORM FROM ledger.payment_state
      WHERE shard = p_shard AND payment IN (
            SELECT y.id
              FROM unnest(p_participant_no, p_type, p_parent, dispositions)
                   AS m (participant_no, type, parent, disposition)
              JOIN ledger.payment y ON y.shard = p_shard AND y.id = m.parent
              JOIN ledger.account a ON a.shard = p_shard AND a.participant_no = m.participant_no
                                   AND a.id IN (y.payee, CASE WHEN m.type <> 13 THEN y.payer END)
             WHERE m.disposition = 0)
      ORDER BY payment
        FOR NO KEY UPDATE;
    decided_at := ledger.decision_time();
    outcomes := ledger.capture_at_once(
        p_shard, decided_at, p_participant_no, p_key, p_payment_id, p_type, p_parent, p_amount,
        p_final, p_key_no, p_queue_us, p_traceparent, p_span_id, dispositions, v_decided);
    FOR i IN 1 .. v_count LOOP
        IF dispositions[i] = 0 AND outcomes[i] IS NULL THEN
            outcomes[i] := ledger.decide_step(
                p_shard, decided_at, p_participant_no[i], p_key[i], p_payment_id[i], p_type[i],
                p_parent[i], p_amount[i], p_final[i], p_key_no[i], p_queue_us[i],
                p_traceparent[i], p_span_id[i]);
            -- Its bank answered since: what the step has changed was not locked in order.
            IF p_parent[i] <> ALL (v_decided)
               AND EXISTS (SELECT FROM ledger.payment
                            WHERE shard = p_shard AND id = p_parent[i]) THEN
                RAISE EXCEPTION 'a payment was decided meanwhile' USING ERRCODE = '40001';
            END IF;
            IF outcomes[i] IS NULL THEN
                dispositions[i] := 6;
            END IF;
        END IF;
    END LOOP;
END $$;
