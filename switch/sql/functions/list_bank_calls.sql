-- list_bank_calls(bank, given_up, limit) → one row a call
--
-- Purpose     The operator's list of credits and reversals that a bank has not answered, or of
--             those that were given up.
-- Parameters  p_bank  its id; p_given_up  which of the two; p_limit  how many
-- Returns     payment, kind (as in bank_call), parent, type, amount and currency of the payment,
--             account and account_reference (the bank's), asked_at, attempts, tried_at (the last
--             one), given_up_at, result; what was to be told first comes first. SW001 when there is
--             no such participant
-- Locks       the bank's row
-- Tables      reads bank_call, account, payment_answer
CREATE OR REPLACE FUNCTION ledger.list_bank_calls(
    p_bank text, p_given_up boolean, p_limit integer)
RETURNS TABLE (
    payment uuid, kind smallint, parent uuid, type text, amount bigint, currency text,
    account uuid, account_reference text, asked_at timestamptz, attempts integer,
    tried_at timestamptz, given_up_at timestamptz, result text)
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no constant integer := ledger.participant_number(p_bank);
BEGIN
    RETURN QUERY
        SELECT b.payment, b.kind, y.parent, y.type, y.amount, y.currency, b.account, a.reference,
               b.created_at, b.attempts, b.tried_at, b.finished_at, b.result
          FROM (SELECT w.*
                  FROM (SELECT c.* FROM ledger.bank_call c
                         WHERE c.participant_no = v_no AND c.kind <> 1 AND c.finished_at IS NULL
                           AND NOT p_given_up
                         UNION ALL
                        SELECT c.* FROM ledger.bank_call c
                         WHERE c.participant_no = v_no AND c.decision = 'given_up'
                           AND p_given_up) w
                 ORDER BY w.created_at, w.payment, w.kind LIMIT p_limit) b
          LEFT JOIN ledger.account a ON a.shard = 0 AND a.id = b.account
         CROSS JOIN LATERAL (SELECT v.* FROM ledger.payment_answer v
                              WHERE v.shard = 0 AND v.id = b.payment OFFSET 0) y
         ORDER BY b.created_at, b.payment, b.kind;
END $$;
