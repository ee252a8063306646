-- start_bank_calls(limit, deadline, calls_max, shut[], probed[], busy[], room[]) → rows
--
-- Purpose     Begins what was accepted for banks since, and takes the calls that are to be made
--             now. They are under way from then on, until settle_bank_calls says what became of
--             them, or resume_bank_calls that nobody makes them.
-- Parameters  as reserve_pending; p_busy, p_room  banks to which fewer than p_calls_max calls are
--             to be made at present, and how many
-- Returns     one row a call: kind and attempts of bank_call, the bank and its URL, what is to be
--             said (the payment, the account at the bank, `reason`  the outcome to be reversed).
--             Of each bank authorizations come first, then what is due longest
-- Locks       as reserve_pending; the calls that nobody else takes
-- Tables      as reserve_pending; updates bank_call; reads participant, account,
--             pending_payment, payment_answer, outcome
CREATE OR REPLACE FUNCTION ledger.start_bank_calls(
    p_limit integer, p_deadline interval, p_calls_max integer, p_shut integer[],
    p_probed integer[], p_busy integer[], p_room integer[])
RETURNS TABLE (
    payment uuid, kind smallint, attempts integer, participant_no integer, participant text,
    bank_url text, called_at timestamptz, account uuid, account_reference text, parent uuid,
    type text, payer uuid, payee uuid, amount bigint, currency text, is_hold boolean,
    hold_expires_at timestamptz, reference text, payee_reference text, description text,
    traceparent text, span_id text, created_at timestamptz, deadline_at timestamptz, reason text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_at timestamptz;
BEGIN
    PERFORM ledger.reserve_pending(p_limit, p_deadline, p_calls_max, p_shut, p_probed);
    v_at := ledger.decision_time();
    -- Mostly nothing is due, and what follows costs more to plan than this to run.
    IF NOT EXISTS (SELECT FROM ledger.bank_call
                    WHERE finished_at IS NULL AND NOT is_under_way AND due_at <= v_at) THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH due AS (
            SELECT d.payment, d.kind
              FROM ledger.participant p
              LEFT JOIN unnest(p_busy, p_room) AS r (no, room) ON r.no = p.participant_no
             CROSS JOIN LATERAL (
                   SELECT b.payment, b.kind, b.due_at FROM ledger.bank_call b
                    WHERE b.participant_no = p.participant_no AND b.finished_at IS NULL
                      AND NOT b.is_under_way AND b.due_at <= v_at
                    ORDER BY b.kind <> 1, b.due_at LIMIT coalesce(r.room, p_calls_max)
                      FOR UPDATE SKIP LOCKED) d
             WHERE p.kind = 'bank'
             ORDER BY d.kind <> 1, d.due_at LIMIT p_limit
        ), taken AS (
            UPDATE ledger.bank_call b SET is_under_way = true
              FROM due WHERE b.payment = due.payment AND b.kind = due.kind
            RETURNING b.*
        )
        SELECT b.payment, b.kind, b.attempts, b.participant_no, p.id, p.bank_url, b.created_at,
               b.account, a.reference, y.parent, y.type, y.payer, y.payee, y.amount, y.currency,
               y.hold_seconds IS NOT NULL, w.hold_expires_at, y.reference, y.payee_reference,
               y.description, coalesce(w.traceparent, d.traceparent),
               coalesce(w.span_id, d.span_id), y.created_at, w.deadline_at, o.name
          FROM taken b
          JOIN ledger.participant p ON p.participant_no = b.participant_no
          JOIN ledger.account a ON a.shard = 0 AND a.id = b.account
         -- For each call by itself: a join would make the view of all payments first, and a plan
         -- that was made while there were none would read all of them.
         CROSS JOIN LATERAL (SELECT v.* FROM ledger.payment_answer v
                              WHERE v.shard = 0 AND v.id = b.payment OFFSET 0) y
          LEFT JOIN LATERAL (SELECT v.* FROM ledger.pending_payment v
                              WHERE v.shard = 0 AND v.id = b.payment OFFSET 0) w ON true
          LEFT JOIN LATERAL (SELECT v.traceparent, v.span_id FROM ledger.payment v
                              WHERE v.shard = 0 AND v.id = b.payment OFFSET 0) d ON true
          LEFT JOIN ledger.outcome o ON o.code = y.outcome
         ORDER BY b.created_at, b.payment, b.kind;
END $$;
