-- pay_next(ids[]) → integer
--
-- Purpose     Pays the next lines of the disbursement that has waited longest of those that are
--             being paid and whose participant is not suspended, as one batch: each
--             line a transfer under a key of its own, so that whatever is done again finds what was
--             decided. Lines that its payer was short for come first when it is resumed. What is
--             recorded here and what is decided is one transaction.
-- Parameters  p_ids  what the payments are called: so many lines at most
-- Returns     how many lines were tried, 0 when there is nothing to pay; SW003 as authorize_batch
-- Locks       the disbursement, then as authorize_batch
-- Tables      updates disbursement; inserts run; inserts and deletes short; as authorize_batch
CREATE OR REPLACE FUNCTION disbursements.pay_next(p_ids uuid[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = disbursements, pg_temp
AS $$
DECLARE
    v_of      disbursements.disbursement;
    v_lines   record;
    v_count   integer;
    v_decided record;
    v_done    record;
BEGIN
    SELECT d.* INTO v_of
      FROM disbursements.disbursement d
      JOIN ledger.participant p USING (participant_no)
     WHERE d.status = 'paying' AND p.status = 'active'
     ORDER BY d.last_paid_at NULLS FIRST, d.id LIMIT 1
       FOR NO KEY UPDATE OF d;
    IF NOT FOUND OR v_of.status <> 'paying' THEN
        RETURN 0;
    END IF;
    SELECT array_agg(n.line) AS lines, array_agg(p.account) AS accounts,
           array_agg(p.amount) AS amounts, array_agg(p.reference) AS refs,
           array_agg(format('disbursement:%s:%s', v_of.id, n.line)
                     || CASE WHEN n.attempts > 0 THEN ':' || n.attempts ELSE '' END) AS keys,
           max(n.line) AS last_line
      INTO STRICT v_lines
      FROM ((SELECT s.line, s.attempts FROM disbursements.short s
              WHERE s.disbursement = v_of.id ORDER BY s.line LIMIT cardinality(p_ids))
             UNION ALL
            (SELECT n.line, 0 FROM disbursements.payout n
              WHERE n.disbursement = v_of.id AND n.line > v_of.last_line
              ORDER BY n.line LIMIT cardinality(p_ids))
             LIMIT cardinality(p_ids)) n
      JOIN disbursements.payout p ON p.disbursement = v_of.id AND p.line = n.line;
    v_count := coalesce(cardinality(v_lines.lines), 0);
    IF v_count = 0 THEN
        UPDATE disbursements.disbursement SET status = 'done' WHERE id = v_of.id;
        RETURN 0;
    END IF;
    SELECT * INTO STRICT v_decided
      FROM ledger.authorize_batch(
               0::smallint, array_fill(v_of.participant_no, ARRAY[v_count]), v_lines.keys,
               ARRAY(SELECT sha256(convert_to(format('%s %s %s', m.account, m.amount, m.reference),
                                              'UTF8'))
                       FROM unnest(v_lines.accounts, v_lines.amounts, v_lines.refs)
                            WITH ORDINALITY AS m (account, amount, reference, position)
                      ORDER BY m.position),
               p_ids[:v_count], array_fill(2::smallint, ARRAY[v_count]),
               array_fill(v_of.payer, ARRAY[v_count]), v_lines.accounts, v_lines.amounts,
               array_fill(v_of.currency, ARRAY[v_count]), NULL, v_lines.refs, NULL,
               array_fill(v_of.purpose, ARRAY[v_count]), NULL, NULL);
    SELECT array_agg(m.line) AS lines, array_agg(m.payment) AS payments,
           array_agg(m.outcome) AS outcomes, count(*) FILTER (WHERE m.outcome = 0) AS paid,
           count(*) AS tried, coalesce(sum(m.amount) FILTER (WHERE m.outcome = 0), 0) AS total
      INTO STRICT v_done
      FROM (SELECT d.line, d.payment, d.amount,
                   CASE WHEN d.disposition = 1 THEN (SELECT y.outcome FROM ledger.payment y
                                                      WHERE y.shard = 0 AND y.id = d.payment)
                        ELSE d.outcome END AS outcome, d.position
              FROM unnest(v_lines.lines, v_decided.payment_ids, v_lines.amounts,
                          v_decided.outcomes, v_decided.dispositions) WITH ORDINALITY
                   AS d (line, payment, amount, outcome, disposition, position)
             ORDER BY d.position) m
     WHERE m.outcome IS DISTINCT FROM 130;
    DELETE FROM disbursements.short
     WHERE disbursement = v_of.id AND line = ANY (v_done.lines);
    INSERT INTO disbursements.short (disbursement, line, attempts)
    SELECT v_of.id, line, 1 FROM unnest(v_lines.lines) AS line
     WHERE line <> ALL (coalesce(v_done.lines, '{}'))
        ON CONFLICT (disbursement, line) DO UPDATE SET attempts = short.attempts + 1;
    IF v_done.tried > 0 THEN
        INSERT INTO disbursements.run (disbursement, number, decided_at, lines, payments, outcomes)
        VALUES (v_of.id, v_of.runs + 1, v_decided.decided_at, v_done.lines, v_done.payments,
                v_done.outcomes);
    END IF;
    UPDATE disbursements.disbursement
       SET last_line = greatest(last_line, v_lines.last_line), paid = paid + v_done.paid,
           paid_total = paid_total + v_done.total,
           declined = declined + v_done.tried - v_done.paid,
           runs = runs + CASE WHEN v_done.tried > 0 THEN 1 ELSE 0 END,
           last_paid_at = v_decided.decided_at,
           status = CASE WHEN v_done.tried < v_count THEN 'paused'
                         WHEN paid + declined + v_done.tried = given THEN 'done'
                         ELSE status END,
           reason = CASE WHEN v_done.tried < v_count THEN 'insufficient_funds' END
     WHERE id = v_of.id;
    RETURN v_count;
END $$;
