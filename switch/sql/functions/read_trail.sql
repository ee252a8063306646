-- read_trail(participant_no, payment, limit) → one row a message
--
-- Purpose     What the ledger keeps of a payment and its steps, for their timeline. Asked for a
--             step, it is that of its payment, as far as the asker may see it.
-- Parameters  p_participant_no  who asks, null for the operator, who sees all; p_payment; p_limit
--             how many messages at most
-- Returns     one row a message that the asker may see, in the order they were accepted, nothing
--             when he may not see p_payment. Its outcome and decided_at are null while it waits
--             for a bank, is_late says that it did. Of its origin (key_id, traceparent,
--             span_id, queue_us, work_us) only what he sent himself, of postings only those of his
--             own accounts; payer and payee are the accounts of the posting, so the position of a
--             bank where one stood in; is_credited says that he may know of the credit, which waits
--             while it has no posting. expired  what the hold kept when it ended, released  what it
--             kept until this void or final capture, in minor units
-- Locks       none
-- Tables      reads payment_answer, payment, pending_payment, leg, payment_state, account,
--             participant_key, fold, unfolded_credit
CREATE OR REPLACE FUNCTION ledger.read_trail(
    p_participant_no integer, p_payment uuid, p_limit integer)
RETURNS TABLE (
    id uuid, parent uuid, type text, participant text, key text, key_id text, traceparent text,
    span_id text, queue_us integer, work_us integer, outcome smallint, amount bigint,
    currency text, hold_expires_at timestamptz, expired bigint, released bigint,
    created_at timestamptz, decided_at timestamptz, is_late boolean,
    payer uuid, payer_posting_no bigint, payer_balance_after bigint, payee uuid,
    is_credited boolean, payee_posting_no bigint, payee_item integer, payee_balance_after bigint,
    folded_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    WITH whole AS (
        SELECT coalesce(v.parent, v.id) AS id
          FROM ledger.read_payments(p_participant_no, ARRAY[p_payment]) v
    ), message AS (
        SELECT v.*, p_participant_no IS NULL OR v.participant_no = p_participant_no AS is_own
          FROM ledger.read_payments(p_participant_no, ARRAY(
                   (SELECT whole.id FROM whole)
                    UNION ALL
                   (SELECT s.id FROM ledger.payment s
                     WHERE s.shard = 0 AND s.parent = (SELECT whole.id FROM whole)
                       AND (p_participant_no IS NULL OR s.participant_no = p_participant_no
                            OR s.payer IS NOT NULL)  -- else a stranger's, who found nothing
                     ORDER BY s.id LIMIT p_limit)
                    UNION ALL
                   (SELECT w.id FROM ledger.pending_payment w
                     WHERE w.shard = 0 AND w.parent = (SELECT whole.id FROM whole)
                     ORDER BY w.id LIMIT p_limit))) v
         ORDER BY v.created_at, v.id LIMIT p_limit
    )
    SELECT m.id, m.parent, m.type, m.participant, m.key,
           CASE WHEN m.is_own THEN m.participant || '/' || k.name END,
           CASE WHEN m.is_own THEN coalesce(y.traceparent, w.traceparent) END,
           CASE WHEN m.is_own THEN coalesce(y.span_id, w.span_id) END,
           CASE WHEN m.is_own THEN coalesce(y.queue_us, w.queue_us) END,
           CASE WHEN m.is_own THEN coalesce(y.work_us, w.work_us) END,
           m.outcome, m.amount, m.currency, m.hold_expires_at,
           CASE WHEN s.hold_expires_at <= ledger.decision_time()
                THEN s.amount - s.captured - s.voided ELSE s.expired END, h.voided,
           m.created_at, coalesce(y.decided_at, y.created_at),
           w.id IS NOT NULL OR y.decided_at IS NOT NULL, x.payer,
           CASE WHEN payer.is_seen THEN x.payer_posting_no END,
           CASE WHEN payer.is_seen THEN x.payer_balance_after END,
           x.payee, coalesce(payee.is_seen, false), c.posting_no, c.item, c.balance_after,
           c.folded_at
      FROM message m
      LEFT JOIN LATERAL (SELECT p.* FROM ledger.payment p
                          WHERE p.shard = m.shard AND p.id = m.id OFFSET 0) y ON true
      LEFT JOIN LATERAL (SELECT p.* FROM ledger.pending_payment p
                          WHERE p.shard = m.shard AND p.id = m.id OFFSET 0) w ON true
      LEFT JOIN ledger.participant_key k ON k.key_no = coalesce(y.key_no, w.key_no)
      LEFT JOIN LATERAL (SELECT t.* FROM ledger.transfer t
                          WHERE t.shard = m.shard AND t.payment_id = m.id OFFSET 0) x ON true
      LEFT JOIN LATERAL (SELECT p.* FROM ledger.payment_state p
                          WHERE p.shard = m.shard AND p.payment = m.id OFFSET 0) s ON true
      LEFT JOIN LATERAL (  -- all that was voided was so by one step
           SELECT p.* FROM ledger.payment_state p
            WHERE p.shard = m.shard AND p.payment = y.parent AND y.outcome = 0
              AND (y.type = 12 OR y.type = 11 AND y.final) OFFSET 0) h ON true
      LEFT JOIN LATERAL (
           SELECT p_participant_no IS NULL OR a.participant_no = p_participant_no AS is_seen
             FROM ledger.account a WHERE a.shard = m.shard AND a.id = x.payer) payer ON true
      LEFT JOIN LATERAL (
           SELECT p_participant_no IS NULL OR a.participant_no = p_participant_no AS is_seen
             FROM ledger.account a WHERE a.shard = m.shard AND a.id = x.payee) payee ON true
      LEFT JOIN LATERAL (
           SELECT f.* FROM ledger.find_credit(m.shard, x.payee, m.id, x.created_at) f
            WHERE payee.is_seen) c ON true
     ORDER BY m.created_at, m.id
$$;
