-- start_bank_calls(limit, deadline, calls_max, shut[], probed[], full[]) → rows
--
-- Purpose     Begins what was accepted for banks since, and takes the calls that are to be made
--             now. They are under way from then on, until settle_bank_calls says what became of
--             them, or resume_bank_calls that nobody makes them.
-- Parameters  as reserve_pending; p_full  banks to which nothing more is to be sent at present
-- Returns     one row a call: kind and attempts of bank_call, the bank and its URL, what is to be
--             said (the payment, the account at the bank, `reason`  the outcome to be reversed)
-- Locks       as reserve_pending; the calls that nobody else takes
-- Tables      as reserve_pending; updates bank_call; reads participant, account,
--             pending_payment, payment_answer, outcome
CREATE OR REPLACE FUNCTION ledger.start_bank_calls(
    p_limit integer, p_deadline interval, p_calls_max integer, p_shut integer[],
    p_probed integer[], p_full integer[])
RETURNS TABLE (
    payment uuid, kind smallint, attempts integer, participant_no integer, participant text,
    bank_url text, called_at timestamptz, account uuid, account_reference text, parent uuid,
    type text, payer uuid, payee uuid, amount bigint, currency text, is_hold boolean,
    hold_expires_at timestamptz, reference text, payee_reference text, description text,
    traceparent text, created_at timestamptz, deadline_at timestamptz, reason text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
BEGIN
    PERFORM ledger.reserve_pending(p_limit, p_deadline, p_calls_max, p_shut, p_probed);
    RETURN QUERY
        WITH due AS (
            SELECT b.payment, b.kind FROM ledger.bank_call b
             WHERE b.finished_at IS NULL AND NOT b.is_under_way
               AND b.due_at <= ledger.decision_time() AND b.participant_no <> ALL (p_full)
             ORDER BY b.due_at LIMIT p_limit FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE ledger.bank_call b SET is_under_way = true
              FROM due WHERE b.payment = due.payment AND b.kind = due.kind
            RETURNING b.*
        )
        SELECT b.payment, b.kind, b.attempts, b.participant_no, p.id, p.bank_url, b.created_at,
               b.account, a.reference, y.parent, y.type, y.payer, y.payee, y.amount, y.currency,
               y.hold_seconds IS NOT NULL, w.hold_expires_at, y.reference, y.payee_reference,
               y.description, coalesce(w.traceparent, d.traceparent), y.created_at, w.deadline_at,
               o.name
          FROM taken b
          JOIN ledger.participant p ON p.participant_no = b.participant_no
          JOIN ledger.account a ON a.shard = 0 AND a.id = b.account
          JOIN ledger.payment_answer y ON y.shard = 0 AND y.id = b.payment
          LEFT JOIN ledger.pending_payment w ON w.shard = 0 AND w.id = b.payment
          LEFT JOIN ledger.payment d ON d.shard = 0 AND d.id = b.payment
          LEFT JOIN ledger.outcome o ON o.code = y.outcome
         ORDER BY b.created_at, b.payment, b.kind;
END $$;
