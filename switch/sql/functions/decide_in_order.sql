-- decide_in_order(…arrays, one element a message…) → one row of arrays
--
-- Purpose     Decides what is left of a batch in the serial order of the positions, each message as
--             those before it have left the accounts, and debits the accounts.
-- Parameters  p_shard; p_participant_no … p_hold_seconds  the batch, as authorize_batch;
--             p_dispositions  0 for the messages to decide, null for the others; p_payee_kind,
--             p_payee_currency, p_payee_closed  of each message's payee, as all of the batch is
--             decided by; p_capped  payees whose balance has a limit; p_payee_holder  of each
--             message's payee; p_mandates, p_places  as lock_mandates, p_by_mandate  its
--             payers; p_requests, p_request_places  as lock_requests; p_coupon; p_nets  as
--             find_fees, null where nothing is kept
-- Returns     SW003 as authorize_batch. decided_at  the time of the decisions, taken under the
--             locks. Of each message, null where it is not decided here:
--             outcomes      ledger.outcome.code; null where a bank is asked, 0 where one is told
--             debits, balances_after    number and balance of the payer's posting, if money moves
--             credits, balances_before  likewise of the payee, where its credit is a posting at
--                                       once, because its account is locked too
--             counted       whether the amount counts for the payer's day
--             routes, takers  as route_to_banks; empty when no bank has a part
--             drawn         what others than the payer paid of it, null for nothing; all of it null
--                           where no fund has a part; and of each part that was drawn, in order,
--             draw_messages, draw_accounts, draw_amounts, draw_postings, draw_balances
-- Locks       accounts in id order (lock_accounts), then funds (lock_funds), their unfolded credits
--             and holds
-- Tables      updates account, mandate, payment_request, payment_state, coupon; deletes
--             unfolded_credit; inserts fold, outbox
CREATE OR REPLACE FUNCTION ledger.decide_in_order(
    p_shard smallint, p_participant_no integer[], p_type smallint[], p_payer uuid[],
    p_payee uuid[], p_amount bigint[], p_currency text[], p_expires_at timestamptz[],
    p_hold_seconds integer[], p_dispositions smallint[], p_payee_kind text[],
    p_payee_currency text[], p_payee_closed boolean[], p_capped uuid[], p_payee_holder integer[],
    p_mandates ledger.mandate[], p_places integer[], p_by_mandate uuid[],
    p_requests ledger.payment_request[], p_request_places integer[], p_coupon uuid[],
    p_nets bigint[],
    OUT decided_at timestamptz, OUT outcomes smallint[], OUT debits bigint[],
    OUT balances_after bigint[], OUT credits bigint[], OUT balances_before bigint[],
    OUT counted boolean[], OUT routes smallint[], OUT takers uuid[], OUT drawn bigint[],
    OUT draw_messages integer[], OUT draw_accounts uuid[], OUT draw_amounts bigint[],
    OUT draw_postings bigint[], OUT draw_balances bigint[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_count    constant integer := cardinality(p_type);
    v_day      date;
    v_year     date;         -- its first day
    v_locked   record;       -- the locked accounts; what changes of them is copied below
    v_check    record;       -- what can be said of each message whatever the balances
    v_ids      uuid[];       -- the locked accounts: `payers_at` says where among them
    v_routed   record;       -- which of them a bank decides
    v_balance  bigint[];
    v_bound    bigint[];
    v_postings bigint[];
    v_spent    bigint[];
    v_in_year  bigint[];
    v_spent_on date[];
    v_nothing  constant bigint[] := array_fill(null::bigint, ARRAY[v_count]);
    v_hold     boolean;
    -- Accounts whose waiting credits matter, those whose credits are all added up, and how many
    -- are added at a time; accounts whose holds may have expired, and those where none has.
    v_short    uuid[] := p_capped;
    v_complete uuid[] := '{}';
    v_late     uuid[] := '{}';
    v_released uuid[] := '{}';
    v_fold_max bigint := CASE WHEN p_capped = '{}' THEN ledger.fold_items_max() END;  -- null: all
    v_folded   bigint;
    v_freed    bigint;
    v_a        integer;
    v_b        integer;
    v_amount   bigint;
    v_mandates ledger.mandate[];
    v_mandate  ledger.mandate;
    v_requests ledger.payment_request[];
    v_request  ledger.payment_request;
    v_left     bigint;       -- of it
    v_funds    uuid[];       -- purses and budgets, locked: they stand behind the payers
    v_plan     record;       -- which of them may pay what
    v_coupons  ledger.coupon[];
    v_coupon   integer;      -- which of them
    v_refusal  smallint;     -- by it
    v_first    integer := 1; -- of the plan's parts, the message's first
    v_own      bigint;       -- what is left to the payer
    v_next     integer;
    v_parts    bigint[];     -- of this message, as the plan's from v_first on
    v_fund     integer;
    v_net      bigint;       -- what the payee is credited
    v_all      uuid[];       -- payers and funds
    v_rows     tid[];
BEGIN
    routes := '{}';
    SELECT * INTO STRICT v_locked
      FROM ledger.lock_accounts(p_shard, p_participant_no, p_payer, p_dispositions, p_capped,
                                p_by_mandate);
    IF p_coupon IS NOT NULL OR v_locked.with_purses IS NOT NULL
       OR p_payee_kind && '{purse,campaign}' THEN
        v_funds := ledger.lock_funds(
            p_shard, v_locked.with_purses, v_locked.ids, p_coupon,
            ARRAY(SELECT m.payee FROM unnest(p_payer, p_payee, p_payee_kind)
                                      AS m (payer, payee, kind)
                   WHERE m.kind IN ('purse', 'campaign') AND m.payer = ANY (v_locked.ids)));
    END IF;
    -- Taken under the locks, so that an account's postings never go back in time.
    decided_at := ledger.decision_time();
    v_day := ledger.local_day(decided_at);
    v_year := date_trunc('year', v_day::timestamp);
    SELECT * INTO STRICT v_check
      FROM ledger.check_messages(p_participant_no, p_type, p_payer, p_payee, p_amount, p_currency,
                                 p_expires_at, p_dispositions, decided_at, p_payee_kind,
                                 p_payee_currency, p_payee_closed, v_locked.ids,
                                 v_locked.holders, v_locked.kinds, v_locked.currencies,
                                 v_locked.blocks, v_locked.payment_limits, p_payee_holder,
                                 p_places, p_mandates, p_request_places, p_requests, p_coupon);
    v_ids := v_locked.ids;
    counted := v_check.counted;
    IF v_funds IS NOT NULL OR p_coupon IS NOT NULL THEN
        IF ledger.has_backlog(p_shard, v_funds) THEN
            RAISE EXCEPTION 'more credits wait than one call adds up'
                USING ERRCODE = 'SW003', DETAIL = v_funds::text;
        END IF;
        PERFORM ledger.fold_accounts(p_shard, v_funds, NULL, decided_at);
        SELECT * INTO STRICT v_plan
          FROM ledger.plan_funds(p_shard, decided_at, p_type, p_payee, p_amount, p_hold_seconds,
                                 p_coupon, v_check.payers_at, v_check.verdicts, v_locked.ids,
                                 v_funds);
    END IF;
    IF 'external' = ANY (v_locked.kinds) OR 'external' = ANY (p_payee_kind) THEN
        SELECT * INTO STRICT v_routed
          FROM ledger.route_to_banks(
                   p_shard, p_payer, p_payee, p_amount, p_hold_seconds,
                   ARRAY(SELECT v_locked.kinds[a.at] FROM unnest(v_check.payers_at)
                         WITH ORDINALITY AS a (at, i) ORDER BY a.i),
                   p_payee_kind, p_capped, decided_at, v_check.verdicts);
        v_check.verdicts := v_routed.verdicts;
        routes := v_routed.routes;
        takers := v_routed.takers;
    END IF;

    -- What a cap is held against is complete from the beginning. The others' payments are decided
    -- as if no credit waited, and again when that made somebody short: his credits are
    -- added up piece by piece, as far as he needs it, because a long backlog is the fold's. The
    -- pieces double, because each passes over the index entries of those before it.
    -- Likewise holds that have expired are released first when they are in the payer's way.
    LOOP
        IF v_short <> '{}' OR v_late <> '{}' THEN
            v_freed := 0;
            IF v_late <> '{}' THEN
                v_freed := ledger.release_expired(p_shard, v_late, decided_at);
                IF v_freed < ledger.fold_items_max() THEN
                    v_released := v_released || v_late;
                END IF;
            END IF;
            IF ledger.has_backlog(p_shard, v_short) THEN
                RAISE EXCEPTION 'more credits wait than one call adds up'
                    USING ERRCODE = 'SW003', DETAIL = v_short::text;
            END IF;
            v_folded := ledger.fold_accounts(p_shard, v_short, v_fold_max, decided_at);
            IF v_fold_max IS NULL OR v_folded < v_fold_max THEN
                v_complete := v_complete || v_short;
            END IF;
            v_fold_max := coalesce(2 * v_fold_max, ledger.fold_items_max());
            IF v_folded > 0 OR v_freed > 0 THEN
                SELECT * INTO STRICT v_locked
                  FROM ledger.lock_accounts(p_shard, p_participant_no, p_payer, p_dispositions,
                                            p_capped, p_by_mandate);
                IF v_locked.ids IS DISTINCT FROM v_ids THEN  -- a payer was opened meanwhile
                    RAISE EXCEPTION 'other accounts than before' USING ERRCODE = '40001';
                END IF;
            END IF;
        END IF;
        outcomes := v_check.verdicts;
        v_balance := v_locked.balances;
        v_bound := v_locked.bounds;
        v_postings := v_locked.postings;
        v_spent := v_locked.spent;
        v_in_year := v_locked.spent_in_year;
        v_spent_on := v_locked.spent_days;
        debits := v_nothing;
        balances_after := v_nothing;
        credits := v_nothing;
        balances_before := v_nothing;
        v_mandates := p_mandates;
        v_requests := p_requests;
        v_all := v_locked.ids;
        v_rows := v_locked.rows;
        v_parts := '{}';
        IF v_funds IS NOT NULL OR p_coupon IS NOT NULL THEN
            v_all := v_all || v_funds;
            v_rows := v_rows || v_plan.rows;
            v_balance := v_balance || v_plan.balances;
            v_bound := v_bound || v_plan.bounds;
            v_postings := v_postings || v_plan.postings;
            v_spent := v_spent || v_plan.spent;
            v_in_year := v_in_year || v_plan.spent_in_year;
            v_spent_on := v_spent_on || v_plan.spent_days;
            v_coupons := v_plan.coupons;
            v_first := 1;
            drawn := v_nothing;
            draw_messages := '{}';
            draw_accounts := '{}';
            draw_amounts := '{}';
            draw_postings := '{}';
            draw_balances := '{}';
        END IF;
        v_late := '{}';
        v_short := '{}';
        FOR i IN 1 .. v_count LOOP
            CONTINUE WHEN outcomes[i] IS DISTINCT FROM 0;
            v_a := v_check.payers_at[i];
            v_b := array_position(v_all, p_payee[i]);
            v_amount := p_amount[i];
            v_net := coalesce(p_nets[i], v_amount);
            -- Nothing moves yet, but it may not be spent.
            v_hold := p_hold_seconds[i] IS NOT NULL OR coalesce(routes[i] = 2, false);
            IF v_spent_on[v_a] < v_day THEN
                v_spent[v_a] := 0;
                IF v_spent_on[v_a] < v_year THEN
                    v_in_year[v_a] := 0;
                END IF;
                v_spent_on[v_a] := v_day;
            END IF;
            v_mandate := NULL;
            IF p_places[i] > 0 THEN
                v_mandate := ledger.on_day(v_mandates[p_places[i]], v_day);
            END IF;
            v_left := NULL;
            IF p_request_places[i] > 0 THEN
                v_request := v_requests[p_request_places[i]];
                v_left := ledger.asked_at(v_request, decided_at) - v_request.paid;
            END IF;
            v_own := v_amount;
            v_coupon := NULL;
            v_refusal := NULL;
            IF drawn IS NOT NULL THEN
                v_coupon := v_plan.coupon_places[i];
                v_refusal := v_plan.coupon_outcomes[i];
                v_parts := '{}';
                WHILE v_plan.messages[v_first] < i LOOP
                    v_first := v_first + 1;
                END LOOP;
                v_next := v_first;
                WHILE v_plan.messages[v_next] = i LOOP
                    v_fund := cardinality(v_locked.ids) + v_plan.places[v_next];
                    v_parts := v_parts || least(v_own, coalesce(
                        v_plan.parts[v_next], greatest(0, v_balance[v_fund] - v_bound[v_fund])));
                    v_own := v_own - v_parts[cardinality(v_parts)];
                    v_next := v_next + 1;
                END LOOP;
                v_fund := cardinality(v_locked.ids) + v_plan.places[v_first];
                IF v_refusal = 0 AND (v_coupons[v_coupon].uses >= v_coupons[v_coupon].uses_max
                                      OR v_parts[1] > v_balance[v_fund] - v_bound[v_fund]) THEN
                    v_refusal := 114;
                END IF;
            END IF;
            outcomes[i] := CASE
                WHEN v_mandate.uses >= v_mandate.uses_max THEN 104
                WHEN v_amount > v_mandate.payment_limit
                    OR v_mandate.spent_today + v_amount > v_mandate.daily_limit
                    OR v_mandate.spent_this_month + v_amount > v_mandate.monthly_limit THEN 106
                WHEN v_left = 0 THEN 107
                WHEN v_amount > v_left
                    OR v_amount < v_left AND (v_amount < v_request.amount_min
                                              OR v_request.amount_min = v_request.amount) THEN 108
                WHEN counted[i] AND v_spent[v_a] + v_amount > v_locked.daily_limits[v_a]
                    THEN 110
                WHEN v_refusal > 0 THEN v_refusal
                WHEN counted[i] AND v_in_year[v_a] > v_locked.yearly_limits[v_a] - v_amount
                    THEN 115
                WHEN v_balance[v_b] + v_net > v_locked.balance_limits[v_b] AND NOT v_hold
                    THEN 120
                WHEN v_balance[v_a] - v_own < v_bound[v_a] THEN 130
                WHEN routes[i] = 140 THEN 140
                ELSE 0
            END;
            IF outcomes[i] IN (110, 115, 130) AND v_locked.held[v_a] > 0
               AND v_locked.ids[v_a] <> ALL (v_released) THEN
                v_late := v_late || v_locked.ids[v_a];
            END IF;
            IF outcomes[i] = 130 AND v_locked.ids[v_a] <> ALL (v_complete) THEN
                v_short := v_short || v_locked.ids[v_a];
            END IF;
            CONTINUE WHEN outcomes[i] <> 0;
            IF p_places[i] > 0 THEN
                v_mandate.uses := v_mandate.uses + 1;
                v_mandate.spent_today := v_mandate.spent_today + v_amount;
                v_mandate.spent_this_month := v_mandate.spent_this_month + v_amount;
                v_mandates[p_places[i]] := v_mandate;
            END IF;
            IF v_left IS NOT NULL THEN
                v_request.is_late := v_request.is_late
                                     OR coalesce(v_request.late_at <= decided_at, false);
                v_request.paid := v_request.paid + v_amount;
                v_requests[p_request_places[i]] := v_request;
            END IF;
            IF counted[i] THEN
                v_spent[v_a] := v_spent[v_a] + v_amount;
                v_in_year[v_a] := v_in_year[v_a] + v_amount;
            END IF;
            IF v_hold THEN
                v_bound[v_a] := v_bound[v_a] + v_amount;
                CONTINUE;
            END IF;
            IF v_coupon IS NOT NULL THEN
                v_coupons[v_coupon].uses := v_coupons[v_coupon].uses + 1;
            END IF;
            FOR n IN 1 .. cardinality(v_parts) LOOP
                CONTINUE WHEN v_parts[n] = 0;
                v_fund := cardinality(v_locked.ids) + v_plan.places[v_first + n - 1];
                v_balance[v_fund] := v_balance[v_fund] - v_parts[n];
                v_postings[v_fund] := v_postings[v_fund] + 1;
                drawn[i] := v_amount - v_own;
                draw_messages := draw_messages || i;
                draw_accounts := draw_accounts || v_all[v_fund];
                draw_amounts := draw_amounts || v_parts[n];
                draw_postings := draw_postings || v_postings[v_fund];
                draw_balances := draw_balances || v_balance[v_fund];
            END LOOP;
            v_balance[v_a] := v_balance[v_a] - v_own;
            v_postings[v_a] := v_postings[v_a] + 1;
            debits[i] := v_postings[v_a];
            balances_after[i] := v_balance[v_a];
            -- Where the payee is locked too, its credit is a posting at once.
            IF v_b IS NOT NULL AND v_net > 0 THEN
                v_postings[v_b] := v_postings[v_b] + 1;
                credits[i] := v_postings[v_b];
                balances_before[i] := v_balance[v_b];
                v_balance[v_b] := v_balance[v_b] + v_net;
            END IF;
        END LOOP;
        EXIT WHEN v_short = '{}' AND v_late = '{}';
    END LOOP;

    IF v_postings IS NOT DISTINCT FROM v_locked.postings
       AND v_bound IS NOT DISTINCT FROM v_locked.bounds THEN
        RETURN;  -- all is refused
    END IF;
    UPDATE ledger.account a
       SET balance = u.balance, held = u.bound - a.floor, posting_count = u.postings,
           spent_today = u.spent, spent_this_year = u.in_year, spent_day = u.spent_day
      FROM unnest(v_rows, v_balance, v_bound, v_postings, v_spent, v_in_year, v_spent_on)
           AS u (ctid, balance, bound, postings, spent, in_year, spent_day)
     WHERE a.shard = p_shard AND a.ctid = u.ctid
       AND (a.posting_count <> u.postings OR a.held + a.floor <> u.bound);
    IF v_mandates IS DISTINCT FROM p_mandates THEN
        UPDATE ledger.mandate m
           SET uses = u.uses, spent_today = u.spent_today, spent_day = u.spent_day,
               spent_this_month = u.spent_this_month, spent_month = u.spent_month
          FROM unnest(v_mandates) u
         WHERE m.id = u.id AND m.uses <> u.uses;
    END IF;
    IF p_coupon IS NOT NULL THEN
        UPDATE ledger.coupon c SET uses = u.uses
          FROM unnest(v_coupons) u
         WHERE c.id = u.id AND c.uses <> u.uses;
    END IF;
    IF v_requests IS DISTINCT FROM p_requests THEN
        UPDATE ledger.payment_request r SET paid = u.paid, is_late = u.is_late
          FROM unnest(v_requests) u
         WHERE r.id = u.id AND r.paid <> u.paid;
    END IF;
END $$;
