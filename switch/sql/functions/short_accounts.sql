-- short_accounts(…) → uuid[]
--
-- Purpose     Which locked accounts need their waiting credits added up before the batch is
--             decided: payers from whom the batch asks more than the folded balance offers, and
--             payees whose balance is capped.
-- Parameters  p_payer, p_payee, p_amount, p_dispositions  of each message; p_ids … p_limits  of
--             each locked account
-- Returns     their ids, null for none
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.short_accounts(
    p_payer uuid[], p_payee uuid[], p_amount bigint[], p_dispositions smallint[], p_ids uuid[],
    p_balances bigint[], p_bounds bigint[], p_limits bigint[]) RETURNS uuid[]
LANGUAGE sql STABLE
AS $$
    SELECT array_agg(a.id)
      FROM unnest(p_ids, p_balances, p_bounds, p_limits) AS a (id, balance, bound, balance_limit)
      LEFT JOIN (SELECT m.payer, sum(m.amount) AS amount
                   FROM unnest(p_payer, p_amount, p_dispositions) AS m (payer, amount, disposition)
                  WHERE m.disposition = 0
                  GROUP BY m.payer) demand ON demand.payer = a.id
     WHERE demand.amount > a.balance - a.bound
        OR (a.balance_limit IS NOT NULL
            AND a.id IN (SELECT m.payee
                           FROM unnest(p_payee, p_dispositions) AS m (payee, disposition)
                          WHERE m.disposition = 0))
$$;
