-- plan_funds(shard, at, …arrays…) → one row of arrays
--
-- Purpose     Which locked funds may pay which purchases of a batch, and reads their accounts.
-- Parameters  p_shard; p_at  the batch's time; of each message p_type, p_payee, p_amount,
--             p_hold_seconds, p_coupon, p_payers (where the payer stands among the locked
--             accounts), p_verdicts; p_ids  the locked accounts; p_funds  as lock_funds, their
--             credits all added up
-- Returns     of each fund rows, holders, kinds, currencies, balances, bounds, postings, spent,
--             spent_in_year, spent_days  as lock_accounts; of each part that may be drawn, in
--             order of the messages and within them of drawing: messages, places (among the
--             funds), parts (null for all that is there; else exactly that); coupons  the locked
--             coupons that messages name; of each message coupon_places (where its coupon stands
--             among them) and coupon_outcomes (111 to 113, or 0), null where it names none
-- Locks       none
-- Tables      reads account, purse, purpose, coupon, campaign, shop
CREATE OR REPLACE FUNCTION ledger.plan_funds(
    p_shard smallint, p_at timestamptz, p_type smallint[], p_payee uuid[], p_amount bigint[],
    p_hold_seconds integer[], p_coupon uuid[], p_payers integer[], p_verdicts smallint[],
    p_ids uuid[], p_funds uuid[],
    OUT rows tid[], OUT holders integer[], OUT kinds text[], OUT currencies text[],
    OUT balances bigint[], OUT bounds bigint[], OUT postings bigint[], OUT spent bigint[],
    OUT spent_in_year bigint[], OUT spent_days date[],
    OUT messages integer[], OUT places integer[], OUT parts bigint[],
    OUT coupons ledger.coupon[], OUT coupon_places integer[], OUT coupon_outcomes smallint[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_local   constant timestamp := p_at AT TIME ZONE
                  (SELECT value FROM ledger.setting WHERE name = 'time_zone');
    v_weekday constant smallint := extract(isodow FROM v_local);
    v_minute  constant integer := extract(hour FROM v_local) * 60 + extract(minute FROM v_local);
    v_open    boolean[];  -- whether the fund is neither frozen nor closed
BEGIN
    SELECT array_agg(a.ctid ORDER BY a.id), array_agg(a.participant_no ORDER BY a.id),
           array_agg(a.kind ORDER BY a.id), array_agg(a.currency ORDER BY a.id),
           array_agg(a.balance ORDER BY a.id), array_agg(a.held + a.floor ORDER BY a.id),
           array_agg(a.posting_count ORDER BY a.id), array_agg(a.spent_today ORDER BY a.id),
           array_agg(a.spent_this_year ORDER BY a.id), array_agg(a.spent_day ORDER BY a.id),
           array_agg(a.lifecycle = 'open' AND NOT a.holder_freeze AND NOT a.operator_freeze
                     ORDER BY a.id)
      INTO rows, holders, kinds, currencies, balances, bounds, postings, spent, spent_in_year,
           spent_days, v_open
      FROM ledger.account a WHERE a.shard = p_shard AND a.id = ANY (p_funds);

    IF p_coupon IS NOT NULL THEN
        coupons := ARRAY(SELECT c FROM ledger.coupon c
                          WHERE c.id = ANY (p_coupon) AND c.account = ANY (p_ids));
        SELECT array_agg(found.place ORDER BY m.position),
               array_agg(CASE WHEN m.coupon IS NULL THEN null
                              WHEN found.place IS NULL THEN 111
                              WHEN g.not_before > p_at OR g.not_after <= p_at
                                  OR NOT v_open[array_position(p_funds, g.id)] THEN 112
                              WHEN m.type <> 1 OR m.hold_seconds IS NOT NULL
                                  OR m.amount < g.amount_min
                                  OR a.currency <> g.currency
                                  OR (p.category = ANY (g.categories)) IS NOT TRUE
                                     AND g.categories IS NOT NULL
                                  OR (p.district = ANY (g.districts)) IS NOT TRUE
                                     AND g.districts IS NOT NULL
                                  THEN 113
                              ELSE 0 END ORDER BY m.position)
          INTO coupon_places, coupon_outcomes
          FROM unnest(p_coupon, p_payers, p_payee, p_amount, p_type, p_hold_seconds)
               WITH ORDINALITY
               AS m (coupon, payer, payee, amount, type, hold_seconds, position)
          LEFT JOIN (SELECT place::integer, (coupons[place]).* FROM generate_subscripts(coupons, 1)
                         AS place) found
                 ON found.id = m.coupon AND found.account = p_ids[m.payer]
          LEFT JOIN ledger.campaign g ON g.id = found.campaign
          LEFT JOIN ledger.account a ON a.shard = p_shard AND a.id = m.payee
          LEFT JOIN ledger.shop p ON p.account = m.payee;
    END IF;

    SELECT array_agg(d.message::integer ORDER BY d.message, d.turn, d.fund),
           array_agg(array_position(p_funds, d.fund) ORDER BY d.message, d.turn, d.fund),
           array_agg(d.part ORDER BY d.message, d.turn, d.fund)
      INTO messages, places, parts
      FROM (SELECT m.position AS message, '-infinity'::timestamptz AS turn, g.id AS fund,
                   least(m.amount,
                         coalesce(g.discount,
                                  least(m.amount / 1000000 * g.parts_per_million
                                        + (m.amount % 1000000 * g.parts_per_million + 500000)
                                              / 1000000, g.discount_max))) AS part
              FROM unnest(coupon_places, coupon_outcomes, p_amount) WITH ORDINALITY
                   AS m (place, outcome, amount, position)
              JOIN ledger.campaign g ON g.id = (coupons[m.place]).campaign
             WHERE m.outcome = 0
             UNION ALL
            SELECT m.position, p.not_after, p.id, null
              FROM unnest(p_type, p_payers, p_payee, p_hold_seconds, p_verdicts) WITH ORDINALITY
                   AS m (type, payer, payee, hold_seconds, verdict, position)
              JOIN ledger.purse p ON p.wallet = p_ids[m.payer]
              JOIN ledger.purpose u ON u.id = p.purpose
              LEFT JOIN ledger.shop s ON s.account = m.payee
             WHERE m.type = 1 AND m.hold_seconds IS NULL AND m.verdict = 0
               AND p.id = ANY (p_funds) AND v_open[array_position(p_funds, p.id)]
               AND p.not_after > p_at
               AND (v_weekday = ANY (u.weekdays)) IS NOT FALSE
               AND (v_minute BETWEEN u.from_minute AND u.until_minute - 1) IS NOT FALSE
               AND (u.categories IS NULL OR s.category = ANY (u.categories))
               AND (u.districts IS NULL OR s.district = ANY (u.districts))) d;
END $$;
