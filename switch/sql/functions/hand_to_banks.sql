-- hand_to_banks(…arrays, one element a message…) → (outcomes, dispositions)
--
-- Purpose     Accepts the messages of a batch that a bank has to decide. What the payer's account
--             here pays is reserved by the caller, and the payee's bank is told of it; what a bank
--             pays, reserve_pending reserves at its position.
-- Parameters  p_shard … p_span_id  as authorize_batch; p_at  the batch's time; p_counted  as
--             check_messages; p_routes, p_takers  as route_to_banks
-- Returns     outcomes and dispositions of each message: null and 6 where it was accepted
-- Locks       none
-- Tables      inserts pending_payment, bank_call; reads account
CREATE OR REPLACE FUNCTION ledger.hand_to_banks(
    p_shard smallint, p_at timestamptz, p_participant_no integer[], p_key text[],
    p_payment_id uuid[], p_type smallint[], p_payer uuid[], p_payee uuid[], p_amount bigint[],
    p_currency text[], p_expires_at timestamptz[], p_reference text[], p_payee_reference text[],
    p_description text[], p_metadata text[], p_hold_seconds integer[], p_key_no integer[],
    p_queue_us integer[], p_traceparent text[], p_span_id text[], p_counted boolean[],
    p_routes smallint[], p_takers uuid[],
    INOUT outcomes smallint[], INOUT dispositions smallint[])
LANGUAGE plpgsql
AS $$
BEGIN
    FOR i IN 1 .. cardinality(outcomes) LOOP
        IF p_routes[i] = 1 OR (p_routes[i] = 2 AND outcomes[i] = 0) THEN
            outcomes[i] := null;
            dispositions[i] := 6;
        END IF;
    END LOOP;
    INSERT INTO ledger.pending_payment
        (created_at, amount, expires_at, participant_no, hold_seconds, key_no, queue_us, work_us,
         shard, type, stage, is_counted, id, payer, payee, keeper, taker, currency, key, reference,
         payee_reference, description, metadata, traceparent, span_id)
    SELECT p_at, m.amount, m.expires_at, m.participant_no, m.hold_seconds, m.key_no, m.queue_us,
           ledger.work_us(), p_shard, m.type, CASE m.route WHEN 1 THEN 0 ELSE 2 END,
           m.route = 2 AND m.counted, m.id, m.payer, m.payee,
           CASE m.route WHEN 2 THEN m.payer END, m.taker, m.currency, m.key, m.reference,
           m.payee_reference, m.description, m.metadata, m.traceparent, m.span_id
      FROM unnest(p_payment_id, p_participant_no, p_key, p_type, p_payer, p_payee, p_amount,
                  p_currency, p_expires_at, p_hold_seconds, p_reference, p_payee_reference,
                  p_description, p_metadata, p_key_no, p_queue_us, p_traceparent, p_span_id,
                  p_counted, p_routes, p_takers, dispositions)
           AS m (id, participant_no, key, type, payer, payee, amount, currency, expires_at,
                 hold_seconds, reference, payee_reference, description, metadata, key_no, queue_us,
                 traceparent, span_id, counted, route, taker, disposition)
     WHERE m.disposition = 6;
    INSERT INTO ledger.bank_call (payment, kind, participant_no, account, created_at, due_at)
    SELECT m.id, 2, a.participant_no, a.id, p_at, p_at
      FROM unnest(p_payment_id, p_payee, p_routes, dispositions)
           AS m (id, payee, route, disposition)
      JOIN ledger.account a ON a.shard = p_shard AND a.id = m.payee
     WHERE m.disposition = 6 AND m.route = 2;
END $$;
