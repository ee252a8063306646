-- read_payees(shard, payees[], dispositions[]) → one row of arrays
--
-- Purpose     What a batch needs to know of its payees, which it does not lock.
-- Parameters  p_shard; p_payee, p_dispositions  of each message
-- Returns     of each message, in order: kinds (null where the payee does not exist or the
--             disposition is not 0), currencies, closed (no longer open); and capped, the ids of
--             payees of messages to decide whose tier limits the balance
-- Locks       none
-- Tables      reads account, tier
CREATE OR REPLACE FUNCTION ledger.read_payees(
    p_shard smallint, p_payee uuid[], p_dispositions smallint[],
    OUT kinds text[], OUT currencies text[], OUT closed boolean[], OUT capped uuid[])
LANGUAGE plpgsql
AS $$
BEGIN
    SELECT array_agg(p.kind), array_agg(p.currency), array_agg(p.lifecycle <> 'open'),
           coalesce(array_agg(p.payee)
                        FILTER (WHERE p.balance_limit IS NOT NULL AND p.disposition = 0), '{}')
      INTO STRICT kinds, currencies, closed, capped
      FROM (SELECT m.payee, m.disposition, a.kind, a.currency, a.lifecycle, t.balance_limit
              FROM unnest(p_payee, p_dispositions) WITH ORDINALITY AS m (payee, disposition,
                  position)
              LEFT JOIN ledger.account a ON a.shard = p_shard
                                     AND a.id = CASE WHEN m.disposition = 0 THEN m.payee END
              LEFT JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency
             ORDER BY m.position) p;
END $$;
