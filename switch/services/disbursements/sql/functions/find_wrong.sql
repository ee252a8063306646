-- find_wrong(disbursement, lines[], accounts[], references[]) → text[]
--
-- Purpose     Which lines of a part cannot be paid as they stand.
-- Parameters  p_of  the disbursement; of each payout p_line, p_account  null where a phone number
--             named nobody, p_reference
-- Returns     up to ten of them, `line 7: why`, in order; empty when all are right
-- Locks       none
-- Tables      reads account, payout
CREATE OR REPLACE FUNCTION disbursements.find_wrong(
    p_of disbursements.disbursement, p_line integer[], p_account uuid[], p_reference text[])
RETURNS text[]
LANGUAGE sql STABLE
AS $$
    SELECT coalesce((array_agg(format('line %s: %s', w.line, w.why) ORDER BY w.line))[:10], '{}')
      FROM (SELECT m.line,
                   CASE WHEN m.account IS NULL THEN 'the number names no open wallet of '
                                                     || p_of.currency
                        WHEN a.id IS NULL THEN 'there is no such account'
                        WHEN a.kind NOT IN ('wallet', 'merchant', 'government', 'purse')
                            THEN 'this kind of account is not paid'
                        WHEN a.lifecycle <> 'open' THEN 'the account is closed'
                        WHEN a.currency <> p_of.currency THEN 'the account has another currency'
                        WHEN a.id = p_of.payer THEN 'the payer itself'
                        WHEN row_number() OVER (PARTITION BY m.line) > 1
                            OR same_line.line IS NOT NULL THEN 'this line was given twice'
                        WHEN row_number() OVER (PARTITION BY m.account, m.reference
                                                ORDER BY m.line) > 1
                            OR same_payout.line IS NOT NULL
                            THEN 'this account and reference were given twice'
                   END AS why
              FROM unnest(p_line, p_account, p_reference) AS m (line, account, reference)
              LEFT JOIN ledger.account a ON a.shard = 0 AND a.id = m.account
              LEFT JOIN disbursements.payout same_line
                     ON same_line.disbursement = p_of.id AND same_line.line = m.line
              LEFT JOIN disbursements.payout same_payout
                     ON same_payout.disbursement = p_of.id AND same_payout.account = m.account
                        AND same_payout.reference = m.reference
           ) w
     WHERE w.why IS NOT NULL
$$;
