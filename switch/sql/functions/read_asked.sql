-- read_asked(participant_no, ids) → one row a call
--
-- Purpose     What banks were asked about payments and steps, for their timeline, while that is
--             kept.
-- Parameters  p_participant_no  who asks, null for the operator, who sees all; p_ids  payments and
--             steps
-- Returns     the calls to his own bank, whole, and those about what he sent himself; of these only
--             that they were made and what they came to: participant (the bank), account, attempts
--             and result (of the last one, for a person) are null. kind and decision as in
--             bank_call; asked_at, answered_at
-- Locks       none
-- Tables      reads bank_call, participant, known_payment
CREATE OR REPLACE FUNCTION ledger.read_asked(p_participant_no integer, p_ids uuid[])
RETURNS TABLE (
    subject uuid, kind smallint, asked_at timestamptz, answered_at timestamptz, decision text,
    participant text, account uuid, attempts integer, result text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT b.payment, b.kind, b.created_at, b.finished_at, b.decision,
           CASE WHEN o.is_own THEN p.id END, CASE WHEN o.is_own THEN b.account END,
           CASE WHEN o.is_own THEN b.attempts END, CASE WHEN o.is_own THEN b.result END
      FROM ledger.bank_call b
      JOIN ledger.participant p ON p.participant_no = b.participant_no
     CROSS JOIN LATERAL (SELECT k.participant_no FROM ledger.known_payment k
                          WHERE k.shard = 0 AND k.id = b.payment OFFSET 0) y
     CROSS JOIN LATERAL (
           SELECT p_participant_no IS NULL OR b.participant_no = p_participant_no AS is_own) o
     WHERE b.payment = ANY (p_ids) AND (o.is_own OR y.participant_no = p_participant_no)
     ORDER BY b.created_at, b.payment, b.kind
$$;
