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
-- Returns     SW003, and nothing decided, when an account that needs its waiting credits has more
--             than fold_call_max(); the detail names such accounts, for fold_backlog. Otherwise:
--             decided_at    the time of the decisions
--             dispositions  0 decided now, 1 decided before by the same message, 2 the key was
--                           spent on something else, 6 accepted, for a bank to decide
--             outcomes      ledger.outcome.code where disposition is 0
--             payment_ids   the payment that answers the message, null where disposition is 2
-- Locks       1. key claims in (participant, key) order: a twin elsewhere is waited for before
--                money is looked at;
--             2. accounts in id order (lock_accounts);
--             3. unfolded credits of accounts locked in 2.
-- Tables      inserts key_claim, payment, payment_state, pending_payment, bank_call,
--             unfolded_credit, outbox, fold; updates account, payment_state; deletes
--             unfolded_credit
CREATE OR REPLACE FUNCTION ledger.authorize_batch(
    p_shard smallint, p_participant_no integer[], p_key text[], p_digest bytea[],
    p_payment_id uuid[], p_type smallint[], p_payer uuid[], p_payee uuid[], p_amount bigint[],
    p_currency text[], p_expires_at timestamptz[], p_reference text[], p_payee_reference text[],
    p_description text[], p_metadata text[], p_hold_seconds integer[],
    p_key_no integer[] DEFAULT NULL, p_queue_us integer[] DEFAULT NULL,
    p_traceparent text[] DEFAULT NULL, p_span_id text[] DEFAULT NULL,
    OUT decided_at timestamptz, OUT dispositions smallint[], OUT outcomes smallint[],
    OUT payment_ids uuid[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
    SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_count    constant integer := cardinality(p_key);
    v_day      date;
    v_payees   record;       -- what is known of each message's payee
    v_locked   record;       -- the locked accounts; what changes of them is copied below
    v_check    record;       -- what can be said of each message whatever the balances
    v_ids      uuid[];       -- the locked accounts: `payers_at` says where among them
    v_routed   record;       -- which of them a bank decides
    v_routes   smallint[] := '{}';
    v_handed   record;
    v_balance  bigint[];
    v_bound    bigint[];
    v_postings bigint[];
    v_spent    bigint[];
    v_spent_on date[];
    -- Of each message: number and balance of the debit, and of the credit if the payee is locked.
    v_nothing  constant bigint[] := array_fill(null::bigint, ARRAY[v_count]);
    v_debit    bigint[];
    v_after    bigint[];
    v_credit   bigint[];
    v_before   bigint[];
    v_direct   boolean;
    v_holds    boolean;
    v_hold     boolean;
    -- Accounts whose waiting credits matter, those whose credits are all added up, and how many
    -- are added at a time; accounts whose holds may have expired, and those where none has.
    v_short    uuid[];
    v_complete uuid[] := '{}';
    v_late     uuid[];
    v_released uuid[] := '{}';
    v_fold_max bigint := ledger.fold_items_max();
    v_folded   bigint;
    v_freed    bigint;
    v_a        integer;
    v_b        integer;
    v_amount   bigint;
    v_work_us  integer;
BEGIN
    -- Steps, bars and what is the operator's have functions of their own.
    IF 1 > ANY (p_type) OR 10 < ANY (p_type) OR 0 = ANY (p_participant_no) THEN
        RAISE EXCEPTION 'only payments of participants are decided here'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO STRICT dispositions, payment_ids
      FROM ledger.claim_keys(p_participant_no, p_key, p_digest, p_payment_id);
    SELECT * INTO STRICT v_payees FROM ledger.read_payees(p_shard, p_payee, dispositions);
    SELECT * INTO STRICT v_locked
      FROM ledger.lock_accounts(p_shard, p_participant_no, p_payer, dispositions, v_payees.capped);
    -- Taken under the locks, so that an account's postings never go back in time.
    decided_at := ledger.decision_time();
    v_day := ledger.local_day(decided_at);
    SELECT * INTO STRICT v_check
      FROM ledger.check_messages(p_participant_no, p_type, p_payer, p_payee, p_amount, p_currency,
                                 p_expires_at, dispositions, decided_at, v_payees.kinds,
                                 v_payees.currencies, v_payees.closed, v_locked.ids,
                                 v_locked.holders, v_locked.kinds, v_locked.currencies,
                                 v_locked.blocks, v_locked.payment_limits);
    v_ids := v_locked.ids;
    IF 'external' = ANY (v_locked.kinds) OR 'external' = ANY (v_payees.kinds) THEN
        SELECT * INTO STRICT v_routed
          FROM ledger.route_to_banks(
                   p_shard, p_payee, p_hold_seconds,
                   ARRAY(SELECT v_locked.kinds[a.at] FROM unnest(v_check.payers_at)
                         WITH ORDINALITY AS a (at, i) ORDER BY a.i),
                   v_payees.kinds, v_check.verdicts);
        v_check.verdicts := v_routed.verdicts;
        v_routes := v_routed.routes;
    END IF;

    -- Decided as if no credit waited, and again when that made somebody short: his credits are
    -- added up piece by piece, as far as he needs it, because a long backlog is the fold's. The
    -- pieces double, because each passes over the index entries of those before it. What a cap is
    -- held against is always complete. Likewise holds that have expired are released first when
    -- they are in the payer's way.
    LOOP
        outcomes := v_check.verdicts;
        v_balance := v_locked.balances;
        v_bound := v_locked.bounds;
        v_postings := v_locked.postings;
        v_spent := v_locked.spent;
        v_spent_on := v_locked.spent_days;
        v_debit := v_nothing;
        v_after := v_nothing;
        v_credit := v_nothing;
        v_before := v_nothing;
        v_direct := false;
        v_holds := false;
        v_late := '{}';
        v_short := CASE WHEN v_payees.capped <@ v_complete THEN '{}' ELSE v_payees.capped END;
        FOR i IN 1 .. v_count LOOP
            CONTINUE WHEN outcomes[i] IS DISTINCT FROM 0;
            v_a := v_check.payers_at[i];
            v_b := array_position(v_locked.ids, p_payee[i]);
            v_amount := p_amount[i];
            -- Nothing moves yet, but it may not be spent.
            v_hold := p_hold_seconds[i] IS NOT NULL OR coalesce(v_routes[i] = 2, false);
            IF v_spent_on[v_a] < v_day THEN
                v_spent[v_a] := 0;
                v_spent_on[v_a] := v_day;
            END IF;
            outcomes[i] := CASE
                WHEN v_check.counted[i] AND v_spent[v_a] + v_amount > v_locked.daily_limits[v_a]
                    THEN 110
                WHEN v_balance[v_b] + v_amount > v_locked.balance_limits[v_b] AND NOT v_hold
                    THEN 120
                WHEN v_balance[v_a] - v_amount < v_bound[v_a] THEN 130
                WHEN v_routes[i] = 140 THEN 140
                ELSE 0
            END;
            IF outcomes[i] IN (110, 130) AND v_locked.held[v_a] > 0
               AND v_locked.ids[v_a] <> ALL (v_released) THEN
                v_late := v_late || v_locked.ids[v_a];
            END IF;
            IF outcomes[i] = 130 AND v_locked.ids[v_a] <> ALL (v_complete) THEN
                v_short := v_short || v_locked.ids[v_a];
            END IF;
            CONTINUE WHEN outcomes[i] <> 0;
            IF v_check.counted[i] THEN
                v_spent[v_a] := v_spent[v_a] + v_amount;
            END IF;
            IF v_hold THEN
                v_bound[v_a] := v_bound[v_a] + v_amount;
                v_holds := true;
                CONTINUE;
            END IF;
            v_balance[v_a] := v_balance[v_a] - v_amount;
            v_postings[v_a] := v_postings[v_a] + 1;
            v_debit[i] := v_postings[v_a];
            v_after[i] := v_balance[v_a];
            IF v_b IS NOT NULL THEN  -- the payee is locked too: its credit is a posting at once
                v_postings[v_b] := v_postings[v_b] + 1;
                v_credit[i] := v_postings[v_b];
                v_before[i] := v_balance[v_b];
                v_balance[v_b] := v_balance[v_b] + v_amount;
                v_direct := true;
            END IF;
        END LOOP;
        EXIT WHEN v_short = '{}' AND v_late = '{}';
        v_freed := ledger.release_expired(p_shard, v_late, decided_at);
        IF v_freed < ledger.fold_items_max() THEN
            v_released := v_released || v_late;
        END IF;
        IF ledger.has_backlog(p_shard, v_short) THEN
            RAISE EXCEPTION 'more credits wait than one call adds up'
                USING ERRCODE = 'SW003', DETAIL = v_short::text;
        END IF;
        v_folded := ledger.fold_accounts(p_shard, v_short, v_fold_max, decided_at);
        IF v_folded < v_fold_max THEN
            v_complete := v_complete || v_short;
        END IF;
        v_fold_max := 2 * v_fold_max;
        IF v_folded > 0 OR v_freed > 0 THEN
            SELECT * INTO STRICT v_locked
              FROM ledger.lock_accounts(p_shard, p_participant_no, p_payer, dispositions,
                                        v_payees.capped);
            IF v_locked.ids IS DISTINCT FROM v_ids THEN  -- a payer was opened meanwhile
                RAISE EXCEPTION 'other accounts than before' USING ERRCODE = '40001';
            END IF;
        END IF;
    END LOOP;

    UPDATE ledger.account a
       SET balance = u.balance, held = u.bound - a.floor, posting_count = u.postings,
           spent_today = u.spent, spent_day = u.spent_day
      FROM unnest(v_locked.rows, v_balance, v_bound, v_postings, v_spent, v_spent_on)
           AS u (ctid, balance, bound, postings, spent, spent_day)
     WHERE a.shard = p_shard AND a.ctid = u.ctid
       AND (a.posting_count <> u.postings OR a.held + a.floor <> u.bound);

    IF v_routes <> '{}' THEN
        SELECT * INTO STRICT v_handed
          FROM ledger.hand_to_banks(
                   p_shard, decided_at, p_participant_no, p_key, p_payment_id, p_type, p_payer,
                   p_payee, p_amount, p_currency, p_expires_at, p_reference, p_payee_reference,
                   p_description, p_metadata, p_hold_seconds, p_key_no, p_queue_us, p_traceparent,
                   p_span_id, v_check.counted, v_routes, v_routed.takers, outcomes, dispositions);
        outcomes := v_handed.outcomes;
        dispositions := v_handed.dispositions;
    END IF;
    v_work_us := ledger.work_us();
    INSERT INTO ledger.payment
        (created_at, amount, payer_posting_no, payer_balance_after, expires_at, hold_expires_at,
         participant_no, hold_seconds, shard, type, outcome, id, payer, payee, currency, key,
         reference, payee_reference, description, metadata, key_no, queue_us, work_us,
         traceparent, span_id)
    SELECT decided_at, m.amount, m.posting, m.after, m.expires_at,
           decided_at + make_interval(secs => m.hold_seconds), m.participant_no, m.hold_seconds,
           p_shard, m.type, m.outcome, m.id, m.payer, m.payee, m.currency, m.key, m.reference,
           m.payee_reference, m.description, m.metadata, m.key_no, m.queue_us, v_work_us,
           m.traceparent, m.span_id
      FROM unnest(p_payment_id, p_participant_no, p_key, p_type, p_payer, p_payee, p_amount,
                  p_currency, p_expires_at, p_hold_seconds, p_reference, p_payee_reference,
                  p_description, p_metadata, outcomes, v_debit, v_after, p_key_no, p_queue_us,
                  p_traceparent, p_span_id)
           AS m (id, participant_no, key, type, payer, payee, amount, currency, expires_at,
                 hold_seconds, reference, payee_reference, description, metadata, outcome, posting,
                 after, key_no, queue_us, traceparent, span_id)
     WHERE m.outcome IS NOT NULL;
    IF v_holds THEN
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
      FROM unnest(p_payment_id, p_payee, p_amount, v_debit, v_credit)
           AS m (id, payee, amount, debit, credit)
     WHERE m.debit IS NOT NULL AND m.credit IS NULL;
    INSERT INTO ledger.outbox (happened_at, kind, subject, payer, payee)
    SELECT decided_at, 1, m.id, m.payer, m.payee
      FROM unnest(p_payment_id, p_payer, p_payee, outcomes) AS m (id, payer, payee, outcome)
     WHERE m.outcome = 0;
    IF v_direct THEN
        INSERT INTO ledger.fold (shard, account, posting_no, opening_balance, folded_at,
                                 transfer_ids, amounts)
        SELECT p_shard, m.payee, m.credit, m.before, decided_at, ARRAY[m.id], ARRAY[m.amount]
          FROM unnest(p_payment_id, p_payee, p_amount, v_credit, v_before)
               AS m (id, payee, amount, credit, before)
         WHERE m.credit IS NOT NULL;
    END IF;
END $$;
