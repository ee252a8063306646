-- read_results(participant_no, disbursement, run, item, limit) → rows
--
-- Purpose     What became of the lines of a disbursement, in the order in which they were decided.
--             What was read once never changes.
-- Parameters  p_participant_no  who asks, null for the operator; p_disbursement; p_run, p_item  the
--             result after which to go on (0, 0 from the start); p_limit  how many
-- Returns     one row a line: run, item, line, account, amount, reference, payment, outcome
-- Locks       none
-- Tables      reads disbursement, run, payout
CREATE OR REPLACE FUNCTION disbursements.read_results(
    p_participant_no integer, p_disbursement uuid, p_run integer, p_item integer, p_limit integer)
RETURNS TABLE (run integer, item integer, line integer, account uuid, amount bigint,
               reference text, payment uuid, outcome text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = disbursements, pg_temp
AS $$
    SELECT r.number, r.item, r.line, p.account, p.amount, p.reference, r.payment,
           coalesce(o.name, 'idempotency_key_reused')
      FROM (SELECT n.number, u.item::integer AS item, u.line, u.payment, u.outcome
              FROM (SELECT * FROM disbursements.run
                     WHERE disbursement = p_disbursement AND number >= p_run
                       AND EXISTS (SELECT FROM disbursements.disbursement d
                                    WHERE d.id = p_disbursement
                                      AND (p_participant_no IS NULL
                                           OR d.participant_no = p_participant_no))
                     ORDER BY number LIMIT p_limit + 1) n
             CROSS JOIN LATERAL unnest(n.lines, n.payments, n.outcomes) WITH ORDINALITY
                        AS u (line, payment, outcome, item)
             WHERE (n.number, u.item) > (p_run, p_item)
             ORDER BY n.number, u.item LIMIT p_limit) r
      JOIN disbursements.payout p ON p.disbursement = p_disbursement AND p.line = r.line
      LEFT JOIN ledger.outcome o ON o.code = r.outcome
     ORDER BY r.number, r.item
$$;
