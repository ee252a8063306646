-- check_messages(…arrays…) → one row of arrays
--
-- Purpose     What can be said of each message whatever the balances: the outcomes up to
--             payment_limit_exceeded, in their precedence.
-- Parameters  p_participant_no … p_expires_at  the message, as authorize_batch; p_dispositions;
--             p_now  the batch's time; p_payee_kind … p_payee_closed  of each message's payee,
--             p_payee_holder  too where there are mandates; p_places, p_mandates  as lock_mandates;
--             p_request_places, p_requests  as lock_requests; p_coupon;
--             p_ids … p_payment_limits  of each locked account, as lock_accounts
-- Returns     of each message, in order: verdicts  ledger.outcome.code, 0 when nothing speaks
--             against the payment so far, null where the disposition is not 0; counted  whether the
--             amount counts for the payer's day; payers_at  where the payer stands among the
--             locked accounts
-- Locks       none
-- Tables      reads payment_type
CREATE OR REPLACE FUNCTION ledger.check_messages(
    p_participant_no integer[], p_type smallint[], p_payer uuid[], p_payee uuid[],
    p_amount bigint[], p_currency text[], p_expires_at timestamptz[], p_dispositions smallint[],
    p_now timestamptz, p_payee_kind text[], p_payee_currency text[], p_payee_closed boolean[],
    p_ids uuid[], p_holders integer[], p_kinds text[], p_currencies text[], p_blocks smallint[],
    p_payment_limits bigint[], p_payee_holder integer[], p_places integer[],
    p_mandates ledger.mandate[], p_request_places integer[],
    p_requests ledger.payment_request[], p_coupon uuid[],
    OUT verdicts smallint[], OUT counted boolean[], OUT payers_at integer[])
LANGUAGE plpgsql
AS $$
BEGIN
    SELECT array_agg(c.verdict), array_agg(c.counted), array_agg(c.payer_at)
      INTO STRICT verdicts, counted, payers_at
      FROM (SELECT type.counts_per_day AS counted, payer.at AS payer_at,
                   CASE WHEN m.disposition IS DISTINCT FROM 0 THEN null
                        WHEN m.expires_at <= p_now THEN 20
                        WHEN CASE WHEN m.place IS NULL THEN payer.holder ELSE m.payee_holder END
                            IS DISTINCT FROM m.participant_no THEN 30
                        -- What a bank has to decide later would keep others from paying it.
                        WHEN m.request_place IS NOT NULL AND payer.kind = 'external' THEN 30
                        WHEN m.coupon IS NOT NULL AND payer.kind <> 'wallet' THEN 30
                        WHEN payer.kind <> ALL (type.payer_kinds)
                            OR m.payee_kind <> ALL (type.payee_kinds) THEN 30
                        WHEN m.place = 0 THEN 31
                        WHEN m.place > 0
                            AND (p_mandates[m.place].revoked_at IS NOT NULL
                                 OR p_mandates[m.place].not_before > p_now
                                 OR p_mandates[m.place].not_after <= p_now) THEN 33
                        WHEN m.request_place = 0 THEN 35
                        WHEN m.request_place > 0
                            AND (p_requests[m.request_place].cancelled_at IS NOT NULL
                                 OR p_requests[m.request_place].not_after <= p_now) THEN 37
                        WHEN m.payee_kind IS NULL THEN 40
                        WHEN m.payer = m.payee THEN 50
                        WHEN m.currency <> payer.currency OR m.currency <> m.payee_currency THEN 60
                        WHEN payer.block <> 0 THEN payer.block
                        WHEN m.payee_closed THEN 90
                        WHEN type.counts_per_day AND m.amount > payer.payment_limit THEN 100
                        ELSE 0
                   END::smallint AS verdict
              FROM unnest(p_participant_no, p_type, p_payer, p_payee, p_amount, p_currency,
                          p_expires_at, p_dispositions, p_payee_kind, p_payee_currency,
                          p_payee_closed, p_payee_holder, p_places, p_request_places, p_coupon)
                   WITH ORDINALITY
                   AS m (participant_no, type, payer, payee, amount, currency, expires_at,
                         disposition, payee_kind, payee_currency, payee_closed, payee_holder,
                         place, request_place, coupon, position)
              JOIN ledger.payment_type type ON type.code = m.type
              LEFT JOIN unnest(p_ids, p_holders, p_kinds, p_currencies, p_blocks, p_payment_limits)
                        WITH ORDINALITY
                        AS payer (id, holder, kind, currency, block, payment_limit, at)
                        ON payer.id = m.payer
             ORDER BY m.position) c;
END $$;
