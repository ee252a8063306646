-- hand_to_banks(…arrays, one element a message…) → (verdicts, dispositions)
--
-- Purpose     Takes the messages out of a batch that a bank has to decide: nothing speaks against
--             them so far, and payer or payee is an account whose money a bank holds. They are
--             accepted here; what is reserved for them, reserve_pending does.
-- Parameters  p_shard … p_span_id  as authorize_batch; p_at  the batch's time; p_payer_kinds,
--             p_payee_kinds  of each message, null where the account is not known; p_waiting_max
--             how many may wait to be begun
-- Returns     verdicts and dispositions of each message: null and 6 where it was accepted; 30 where
--             a hold for an account at a bank was asked for, 140 where too many wait
-- Locks       none
-- Tables      inserts pending_payment
CREATE OR REPLACE FUNCTION ledger.hand_to_banks(
    p_shard smallint, p_at timestamptz, p_participant_no integer[], p_key text[],
    p_payment_id uuid[], p_type smallint[], p_payer uuid[], p_payee uuid[], p_amount bigint[],
    p_currency text[], p_expires_at timestamptz[], p_reference text[], p_payee_reference text[],
    p_description text[], p_metadata text[], p_hold_seconds integer[], p_key_no integer[],
    p_queue_us integer[], p_traceparent text[], p_span_id text[], p_payer_kinds text[],
    p_payee_kinds text[],
    INOUT verdicts smallint[], INOUT dispositions smallint[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_full constant boolean := EXISTS (SELECT FROM ledger.pending_payment WHERE stage = 0
                                       OFFSET ledger.pending_new_max());
BEGIN
    FOR i IN 1 .. cardinality(verdicts) LOOP
        CONTINUE WHEN verdicts[i] IS NULL OR verdicts[i] BETWEEN 1 AND 30
            OR 'external' NOT IN (coalesce(p_payer_kinds[i], ''), coalesce(p_payee_kinds[i], ''));
        IF p_payee_kinds[i] = 'external' AND p_hold_seconds[i] IS NOT NULL THEN
            verdicts[i] := 30;
        ELSIF verdicts[i] = 0 AND v_full THEN
            verdicts[i] := 140;
        ELSIF verdicts[i] = 0 THEN
            verdicts[i] := null;
            dispositions[i] := 6;
        END IF;
    END LOOP;
    INSERT INTO ledger.pending_payment
        (created_at, amount, expires_at, participant_no, hold_seconds, key_no, queue_us, work_us,
         shard, type, stage, id, payer, payee, currency, key, reference, payee_reference,
         description, metadata, traceparent, span_id)
    SELECT p_at, m.amount, m.expires_at, m.participant_no, m.hold_seconds, m.key_no, m.queue_us,
           ledger.work_us(), p_shard, m.type, 0, m.id, m.payer, m.payee, m.currency, m.key,
           m.reference, m.payee_reference, m.description, m.metadata, m.traceparent, m.span_id
      FROM unnest(p_payment_id, p_participant_no, p_key, p_type, p_payer, p_payee, p_amount,
                  p_currency, p_expires_at, p_hold_seconds, p_reference, p_payee_reference,
                  p_description, p_metadata, p_key_no, p_queue_us, p_traceparent, p_span_id,
                  dispositions)
           AS m (id, participant_no, key, type, payer, payee, amount, currency, expires_at,
                 hold_seconds, reference, payee_reference, description, metadata, key_no, queue_us,
                 traceparent, span_id, disposition)
     WHERE m.disposition = 6;
END $$;
