-- check_messages(…arrays, one element a message…) → one row of arrays
--
-- Purpose     What can be said of each message alone, whatever the balances: the outcomes up to
--             payment_limit_exceeded in their precedence, and whose balances its approval would need locked.
-- Parameters  p_shard, the arrays of authorize_batch, p_dispositions; p_now the present time
-- Returns     verdicts  ledger.outcome.code, 0 when nothing speaks against the payment so far, null where the
--                       disposition is not 0
--             counted   whether the amount counts for the payer's day
--             to_lock   payers of messages with verdict 0, and their payees whose tier caps the balance; with repeats
-- Locks       none: what may change until the accounts are locked is looked at again by authorize_batch
-- Tables      reads account, tier, payment_type
CREATE OR REPLACE FUNCTION ledger.check_messages(
    p_shard smallint, p_participant_no integer[], p_type smallint[], p_payer uuid[], p_payee uuid[],
    p_amount bigint[], p_currency text[], p_expires_at timestamptz[], p_dispositions smallint[],
    p_now timestamptz, OUT verdicts smallint[], OUT counted boolean[], OUT to_lock uuid[])
LANGUAGE plpgsql SET search_path = ledger, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    SELECT array_agg(c.verdict), array_agg(c.counted),
           array_agg(c.payer) FILTER (WHERE c.verdict = 0)
               || array_agg(c.payee) FILTER (WHERE c.verdict = 0 AND c.payee_capped)
      INTO STRICT verdicts, counted, to_lock
      FROM (SELECT m.payer, m.payee, type.counts_per_day AS counted,
                   payee_tier.balance_limit IS NOT NULL AS payee_capped,
                   CASE WHEN m.disposition <> 0 THEN null
                        WHEN m.expires_at <= p_now THEN 20
                        WHEN payer.participant_no IS DISTINCT FROM m.participant_no THEN 30
                        WHEN payer.kind <> ALL (type.payer_kinds) OR payee.kind <> ALL (type.payee_kinds) THEN 30
                        WHEN payee.id IS NULL THEN 40
                        WHEN m.payer = m.payee THEN 50
                        WHEN m.currency <> payer.currency OR m.currency <> payee.currency THEN 60
                        WHEN payer.frozen_by IS NOT NULL THEN 70
                        WHEN payer.lifecycle <> 'open' THEN 80
                        WHEN payee.lifecycle <> 'open' THEN 90
                        WHEN type.counts_per_day AND m.amount > payer_tier.payment_limit THEN 100
                        ELSE 0
                   END::smallint AS verdict
              FROM unnest(p_participant_no, p_type, p_payer, p_payee, p_amount, p_currency, p_expires_at,
                          p_dispositions) WITH ORDINALITY
                   AS m (participant_no, type, payer, payee, amount, currency, expires_at, disposition, position)
              JOIN ledger.payment_type type ON type.code = m.type
              LEFT JOIN ledger.account payer ON payer.shard = p_shard AND payer.id = m.payer
              LEFT JOIN ledger.account payee ON payee.shard = p_shard AND payee.id = m.payee
              LEFT JOIN ledger.tier payer_tier
                     ON payer_tier.name = payer.tier AND payer_tier.currency = payer.currency
              LEFT JOIN ledger.tier payee_tier
                     ON payee_tier.name = payee.tier AND payee_tier.currency = payee.currency
             ORDER BY m.position) c;
END $$;
