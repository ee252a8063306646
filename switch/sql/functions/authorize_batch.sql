-- authorize_batch(…arrays, one element a message…) → one row of arrays
--
-- Purpose     Decides a batch of payments in one transaction: claims the keys, checks, debits,
--             records, and leaves each credit as a row that the fold adds up later. The decisions
--             are those of the serial order of the positions; a refusal is a value and undoes
--             nothing of its neighbours.
-- Parameters  p_shard           the shard of all payers (0 while there is one)
--             p_participant_no  who sent the message
--             p_key, p_digest   its idempotency key and the SHA-256 of its payload
--             p_payment_id      the id the payment gets if this message decides the key
--             p_type … p_metadata  the message, validated; amounts in minor units
--             p_hold_seconds  how long the money is held; null where it moves at once
--             p_key_no, p_queue_us, p_traceparent, p_span_id  where the message came from, for its
--                           timeline; as the columns of payment
--             p_mandate     by which the payee takes it; then p_payer is null
--             p_request     the payment request that it pays, at once
--             p_coupon      the payer's coupon that pays a part of it
-- Returns     SW003, and nothing decided, when an account that needs its waiting credits has more
--             than fold_call_max(); the detail names such accounts, for fold_backlog. Otherwise:
--             decided_at    the time of the decisions
--             dispositions  0 decided now, 1 decided before by the same message, 2 the key was
--                           spent on something else, 6 accepted, for a bank to decide
--             outcomes      ledger.outcome.code where disposition is 0
--             payment_ids   the payment that answers the message, null where disposition is 2
-- Locks       1. key claims in (participant, key) order: a twin elsewhere is waited for before
--                money is looked at;
--             2. mandates in id order;
--             3. payment requests in id order;
--             4. accounts in id order: payers that a sender of the batch holds or has a mandate of,
--                and payees whose balance is capped;
--             5. purses of these payers and budgets of their coupons, in id order;
--             6. unfolded credits of accounts locked in 4 and 5.
-- Tables      inserts key_claim, payment, payment_state, pending_payment, bank_call,
--             unfolded_credit, outbox, fold, draw, split; updates account, mandate,
--             payment_request, payment_state, coupon; deletes unfolded_credit
CREATE OR REPLACE FUNCTION ledger.authorize_batch(
    p_shard smallint, p_participant_no integer[], p_key text[], p_digest bytea[],
    p_payment_id uuid[], p_type smallint[], p_payer uuid[], p_payee uuid[], p_amount bigint[],
    p_currency text[], p_expires_at timestamptz[], p_reference text[], p_payee_reference text[],
    p_description text[], p_metadata text[], p_hold_seconds integer[],
    p_key_no integer[] DEFAULT NULL, p_queue_us integer[] DEFAULT NULL,
    p_traceparent text[] DEFAULT NULL, p_span_id text[] DEFAULT NULL,
    p_mandate uuid[] DEFAULT NULL, p_request uuid[] DEFAULT NULL, p_coupon uuid[] DEFAULT NULL,
    OUT decided_at timestamptz, OUT dispositions smallint[], OUT outcomes smallint[],
    OUT payment_ids uuid[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_zone     text;
    v_now      timestamptz;
    v_day      date;
    v_year     date;         -- its first day
    v_alone    record;       -- of each message: what was debited at once, and what is left
    v_order    record;       -- what the order decided of those
    v_handed   record;
    v_debit    bigint[];     -- of each message: number and balance of the debit
    v_after    bigint[];
    v_credit   bigint[];     -- and of the credit, where it is a posting at once
    v_before   bigint[];
    v_work_us  integer;
    v_mandated record;       -- the mandates that the batch relies on
    v_payer_sides integer[] := p_participant_no;
    v_by_mandate  uuid[] := '{}';  -- payers
    v_mandates ledger.mandate[] := '{}';
    v_places   integer[];
    v_requested record;      -- the payment requests that the batch pays
    v_requests ledger.payment_request[] := '{}';
    v_request_places integer[];
    v_fees     record;       -- what is kept of purchases, if anything is
    v_nets     bigint[];     -- of each message what its payee is credited, null where that is all
    v_drawn    bigint[];     -- of each message what others than its payer paid
    v_moved    uuid[];       -- of each message its id, null where nothing moved
BEGIN
    -- Steps, bars and what is the operator's have functions of their own.
    IF 1 > ANY (p_type) OR 10 < ANY (p_type) OR 0 = ANY (p_participant_no) THEN
        RAISE EXCEPTION 'only payments of participants are decided here'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO STRICT dispositions, payment_ids
      FROM ledger.claim_keys(p_participant_no, p_key, p_digest, p_payment_id);
    IF p_mandate IS NOT NULL THEN
        SELECT * INTO STRICT v_mandated
          FROM ledger.lock_mandates(p_participant_no, p_mandate, p_payee, dispositions);
        v_mandates := v_mandated.mandates;
        v_places := v_mandated.places;
        v_by_mandate := array_remove(v_mandated.payers, null);
        SELECT array_agg(CASE WHEN m.place IS NULL THEN m.payer ELSE m.found END),
               array_agg(coalesce(m.side, m.participant_no))
          INTO STRICT p_payer, v_payer_sides
          FROM (SELECT * FROM unnest(p_payer, v_places, v_mandated.payers,
                                     v_mandated.payer_sides, p_participant_no) WITH ORDINALITY
                              AS m (payer, place, found, side, participant_no, position)
                 ORDER BY position) m;
    END IF;
    IF p_request IS NOT NULL THEN
        SELECT * INTO STRICT v_requested
          FROM ledger.lock_requests(v_payer_sides, p_request, p_payer, p_payee, dispositions);
        v_requests := v_requested.requests;
        v_request_places := v_requested.places;
    END IF;

    -- Locks every account whose balance the batch may change, and debits who can pay for payments
    -- that are the same in any order of the others: each payer's first, from and to accounts that
    -- are on one side only, to a payee that is not capped. That is most of them, and all of most
    -- batches. What this leaves (refusals, the short, repeated payers, holds, banks) has its order.
    -- So has what falls within a minute of its end, for no statement waits that long for a lock,
    -- and whoever was waited for: his row has a version that this statement does not see.
    SELECT value INTO STRICT v_zone FROM ledger.setting WHERE name = 'time_zone';
    v_now := ledger.decision_time();
    v_day := (v_now AT TIME ZONE v_zone)::date;
    v_year := date_trunc('year', v_day::timestamp);
    WITH message AS MATERIALIZED (
        SELECT m.participant_no, m.payer, m.payee, m.amount, m.currency, m.disposition, m.position,
               b.participant_no AS payee_holder, b.kind::text AS payee_kind,
               b.currency::text AS payee_currency,
               b.lifecycle <> 'open' OR CASE WHEN b.kind IN ('purse', 'campaign')
                   THEN ledger.has_ended(b.id, v_now) ELSE false END AS payee_closed,
               m.type = 1 AS is_purchase, m.type = 1 AND b.tariff IS NOT NULL AS has_fees,
               type.payer_kinds, type.counts_per_day,
               t.balance_limit IS NOT NULL AND m.disposition = 0 AS is_capped,
               t.balance_limit IS NULL AND b.kind = ANY (type.payee_kinds)
               AND b.kind NOT IN ('external', 'purse', 'campaign')
               AND b.currency = m.currency AND b.lifecycle = 'open' AND m.hold_seconds IS NULL
               AND m.place IS NULL AND m.request IS NULL AND m.coupon IS NULL
               AND (m.expires_at IS NULL OR m.expires_at > v_now + interval '1 minute') AS is_plain
          FROM unnest(p_participant_no, p_type, p_payer, p_payee, p_amount, p_currency,
                      p_expires_at, p_hold_seconds, dispositions, v_places, p_request, p_coupon)
               WITH ORDINALITY
               AS m (participant_no, type, payer, payee, amount, currency, expires_at,
                     hold_seconds, disposition, place, request, coupon, position)
          JOIN ledger.payment_type type ON type.code = m.type
          LEFT JOIN ledger.account b ON b.shard = p_shard AND b.id = m.payee
          LEFT JOIN ledger.tier t ON t.name = b.tier AND t.currency = b.currency
    ), locked AS MATERIALIZED (
        SELECT id, ctid AS place, participant_no, kind, currency, tier, balance, held, floor,
               has_purses,
               lifecycle = 'open' AND NOT holder_freeze AND NOT operator_freeze AS is_open,
               CASE WHEN spent_day < v_day THEN 0 ELSE spent_today END AS spent,
               CASE WHEN spent_day < v_year THEN 0 ELSE spent_this_year END AS spent_in_year
          FROM ledger.account
         WHERE shard = p_shard
           AND id = ANY (ARRAY(SELECT payer FROM message WHERE disposition = 0
                                UNION ALL SELECT payee FROM message WHERE is_capped))
           AND (participant_no = ANY (p_participant_no) OR id = ANY (v_by_mandate)
                OR id = ANY (ARRAY(SELECT payee FROM message WHERE is_capped)))
           AND kind NOT IN ('purse', 'campaign')
         ORDER BY id
           FOR NO KEY UPDATE
    ), debited AS (
        UPDATE ledger.account a
           SET balance = l.balance - m.amount, posting_count = a.posting_count + 1,
               spent_today = CASE WHEN m.counts_per_day THEN l.spent + m.amount
                                  ELSE a.spent_today END,
               spent_this_year = CASE WHEN m.counts_per_day THEN l.spent_in_year + m.amount
                                      ELSE a.spent_this_year END,
               spent_day = CASE WHEN m.counts_per_day THEN greatest(a.spent_day, v_day)
                                ELSE a.spent_day END
          FROM (SELECT DISTINCT ON (payer) * FROM message WHERE disposition = 0
                 ORDER BY payer, position) m
          JOIN locked l ON l.id = m.payer
          LEFT JOIN ledger.tier t ON t.name = l.tier AND t.currency = l.currency
         WHERE a.shard = p_shard AND a.ctid = l.place
           AND m.is_plain AND m.payer NOT IN (SELECT payee FROM message)
           AND m.payee NOT IN (SELECT payer FROM message)
           AND NOT (l.has_purses AND m.is_purchase)
           AND l.participant_no = m.participant_no AND l.kind = ANY (m.payer_kinds)
           AND l.kind <> 'external' AND l.currency = m.currency AND l.is_open
           AND l.balance - m.amount >= l.held + l.floor
           AND (NOT m.counts_per_day
                OR (m.amount > t.payment_limit OR l.spent + m.amount > t.daily_limit
                    OR l.spent_in_year > t.yearly_limit - m.amount) IS NOT TRUE)
           AND (v_now + interval '1 minute') AT TIME ZONE v_zone < v_day + 1
        RETURNING m.position, a.posting_count, a.balance
    )
    SELECT array_agg(d.posting_count ORDER BY m.position) AS debits,
           array_agg(d.balance ORDER BY m.position) AS balances_after,
           array_agg(m.payee_holder ORDER BY m.position) AS payee_holders,
           array_agg(m.payee_kind ORDER BY m.position) AS payee_kinds,
           array_agg(m.payee_currency ORDER BY m.position) AS payee_currencies,
           array_agg(m.payee_closed ORDER BY m.position) AS payees_closed,
           coalesce(array_agg(m.payee) FILTER (WHERE m.is_capped), '{}') AS capped,
           array_agg(CASE WHEN d.position IS NOT NULL THEN 0 END::smallint ORDER BY m.position)
               AS outcomes,
           array_agg(CASE WHEN d.position IS NULL THEN m.disposition END::smallint
                     ORDER BY m.position) AS dispositions,
           bool_or(m.disposition = 0 AND d.position IS NULL) AS are_left,
           bool_or(m.has_fees) AS have_fees
      INTO STRICT v_alone
      FROM message m LEFT JOIN debited d USING (position);
    IF cardinality(v_alone.dispositions) IS DISTINCT FROM cardinality(p_key) THEN
        RAISE EXCEPTION 'a message is of no known type' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Taken under the locks, so that an account's postings never go back in time.
    decided_at := ledger.decision_time();
    v_debit := v_alone.debits;
    v_after := v_alone.balances_after;
    outcomes := v_alone.outcomes;
    IF v_alone.have_fees THEN
        SELECT * INTO STRICT v_fees FROM ledger.find_fees(p_shard, p_type, p_payee, p_amount);
        v_nets := v_fees.nets;
    END IF;
    IF v_alone.are_left THEN
        SELECT * INTO STRICT v_order
          FROM ledger.decide_in_order(
                   p_shard, p_participant_no, p_type, p_payer, p_payee, p_amount, p_currency,
                   p_expires_at, p_hold_seconds, v_alone.dispositions, v_alone.payee_kinds,
                   v_alone.payee_currencies, v_alone.payees_closed, v_alone.capped,
                   v_alone.payee_holders, v_mandates, v_places, v_by_mandate,
                   v_requests, v_request_places, p_coupon, v_nets);
        decided_at := v_order.decided_at;
        SELECT array_agg(coalesce(o.outcome, o.late_outcome)),
               array_agg(coalesce(o.debit, o.late_debit)),
               array_agg(coalesce(o.after, o.late_after))
          INTO STRICT outcomes, v_debit, v_after
          FROM (SELECT *
                  FROM unnest(outcomes, v_order.outcomes, v_debit, v_order.debits, v_after,
                              v_order.balances_after) WITH ORDINALITY
                       AS o (outcome, late_outcome, debit, late_debit, after, late_after, position)
                 ORDER BY position) o;
        v_credit := v_order.credits;
        v_before := v_order.balances_before;
        v_drawn := v_order.drawn;
        IF cardinality(v_order.draw_messages) > 0 THEN
            INSERT INTO ledger.draw (amount, posting_no, balance_after, created_at, shard, number,
                                     payment, account)
            SELECT d.amount, d.posting, d.after, decided_at, p_shard,
                   row_number() OVER (PARTITION BY d.message ORDER BY d.turn),
                   p_payment_id[d.message], d.account
              FROM unnest(v_order.draw_messages, v_order.draw_accounts, v_order.draw_amounts,
                          v_order.draw_postings, v_order.draw_balances) WITH ORDINALITY
                   AS d (message, account, amount, posting, after, turn);
        END IF;
        IF 1 = ANY (v_order.routes) OR 2 = ANY (v_order.routes) THEN
            SELECT * INTO STRICT v_handed
              FROM ledger.hand_to_banks(
                       p_shard, decided_at, p_participant_no, p_key, p_payment_id, p_type, p_payer,
                       p_payee, p_amount, p_currency, p_expires_at, p_reference, p_payee_reference,
                       p_description, p_metadata, p_hold_seconds, p_key_no, p_queue_us,
                       p_traceparent, p_span_id, v_order.counted, v_order.routes, v_order.takers,
                       outcomes, dispositions);
            outcomes := v_handed.outcomes;
            dispositions := v_handed.dispositions;
        END IF;
    END IF;
    IF decided_at >= v_now + interval '1 minute' THEN
        RAISE EXCEPTION 'the time has leapt' USING ERRCODE = '40001';
    END IF;
    v_work_us := ledger.work_us();
    INSERT INTO ledger.payment
        (created_at, amount, drawn, split, payer_posting_no, payer_balance_after, expires_at,
         hold_expires_at,
         participant_no, hold_seconds, shard, type, outcome, id, payer, payee, mandate, request,
         coupon, currency, key, reference, payee_reference, description, metadata, key_no, queue_us,
         work_us, traceparent, span_id)
    SELECT decided_at, m.amount, m.drawn,
           CASE WHEN m.posting IS NOT NULL THEN nullif(m.amount - m.net, 0) END,
           m.posting, m.after, m.expires_at,
           decided_at + make_interval(secs => m.hold_seconds), m.participant_no, m.hold_seconds,
           p_shard, m.type, m.outcome, m.id, ledger.told_payer(m.payer, m.mandate, m.outcome),
           m.payee, m.mandate, m.request, m.coupon,
           m.currency, m.key, m.reference, m.payee_reference, m.description, m.metadata, m.key_no,
           m.queue_us, v_work_us, m.traceparent, m.span_id
      FROM unnest(p_payment_id, p_participant_no, p_key, p_type, p_payer, p_payee, p_amount,
                  p_currency, p_expires_at, p_hold_seconds, p_reference, p_payee_reference,
                  p_description, p_metadata, outcomes, v_debit, v_after, p_key_no, p_queue_us,
                  p_traceparent, p_span_id, p_mandate, p_request, p_coupon, v_drawn, v_nets)
           AS m (id, participant_no, key, type, payer, payee, amount, currency, expires_at,
                 hold_seconds, reference, payee_reference, description, metadata, outcome, posting,
                 after, key_no, queue_us, traceparent, span_id, mandate, request, coupon, drawn,
                 net)
     WHERE m.outcome IS NOT NULL;
    IF p_hold_seconds IS NOT NULL THEN
        INSERT INTO ledger.payment_state
            (shard, payment, payer, decided_at, hold_expires_at, amount, captured)
        SELECT p_shard, m.id, m.payer, decided_at,
               decided_at + make_interval(secs => m.hold_seconds), m.amount, 0
          FROM unnest(p_payment_id, p_payer, p_amount, p_hold_seconds, outcomes)
               AS m (id, payer, amount, hold_seconds, outcome)
         WHERE m.outcome = 0 AND m.hold_seconds IS NOT NULL;
    END IF;

    INSERT INTO ledger.unfolded_credit (shard, payee, transfer_id, amount)
    SELECT p_shard, m.payee, m.id, m.amount
      FROM unnest(p_payment_id, p_payee, coalesce(v_nets, p_amount), v_debit, v_credit)
           AS m (id, payee, amount, debit, credit)
     WHERE m.debit IS NOT NULL AND m.credit IS NULL AND m.amount > 0;
    IF v_nets IS NOT NULL THEN
        v_moved := ARRAY(SELECT CASE WHEN m.debit IS NOT NULL THEN m.id END
                           FROM unnest(p_payment_id, v_debit) WITH ORDINALITY
                                AS m (id, debit, position) ORDER BY m.position);
        PERFORM ledger.credit_splits(p_shard, v_moved, v_fees.positions, v_fees.accounts,
                                     v_fees.amounts);
    END IF;
    IF v_credit IS NOT NULL THEN
        INSERT INTO ledger.fold (shard, account, posting_no, opening_balance, folded_at,
                                 transfer_ids, amounts)
        SELECT p_shard, m.payee, m.credit, m.before, decided_at, ARRAY[m.id], ARRAY[m.amount]
          FROM unnest(p_payment_id, p_payee, coalesce(v_nets, p_amount), v_credit, v_before)
               AS m (id, payee, amount, credit, before)
         WHERE m.credit IS NOT NULL;
    END IF;
    INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
    SELECT decided_at, 1, array_agg(m.id), array_agg(m.payer_side), array_agg(m.payee_holder)
      FROM unnest(p_payment_id, v_payer_sides, v_alone.payee_holders, outcomes)
           AS m (id, payer_side, payee_holder, outcome)
     WHERE m.outcome = 0
    HAVING count(*) > 0;
END $$;
