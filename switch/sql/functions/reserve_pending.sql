-- reserve_pending(limit, deadline, calls_max, shut[], probed[]) → number of payments
--
-- Purpose     Begins payments that the payer's bank has to authorize: reserves the amount at its
--             position and has it asked; or declines. One whose accounts have more waiting credits
--             than one call adds up is left until they are folded.
-- Parameters  p_limit  how many at most; p_deadline  how long a bank may take to answer;
--             p_calls_max  how many payments may wait for one bank's authorization; p_shut  banks
--             that are not asked at present, p_probed  banks that are asked about one payment at a
--             time (participant_no)
-- Returns     how many were looked at
-- Locks       the pending payments that nobody else begins; then accounts in id order
-- Tables      reads and updates pending_payment; inserts bank_call; updates account, bank_room; as
--             finish_pending
CREATE OR REPLACE FUNCTION ledger.reserve_pending(
    p_limit integer, p_deadline interval, p_calls_max integer, p_shut integer[],
    p_probed integer[]) RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    v_new     ledger.pending_payment[];
    v_pending ledger.pending_payment;
    v_payer   ledger.account;
    v_payee   ledger.account;
    v_keeper  ledger.account;
    v_taker   uuid;
    v_max     integer;
    v_outcome smallint;
    v_at      timestamptz;
BEGIN
    v_new := ARRAY(SELECT w FROM ledger.pending_payment w WHERE stage = 0
                    ORDER BY no LIMIT p_limit FOR UPDATE SKIP LOCKED);
    IF cardinality(v_new) = 0 THEN
        RETURN 0;
    END IF;
    PERFORM FROM ledger.account
      WHERE shard = 0 AND id IN (
            SELECT ledger.bank_position(w.shard, a) FROM unnest(v_new) w
              JOIN ledger.account a ON a.shard = w.shard AND a.id = w.payer
             UNION
            SELECT a.id FROM unnest(v_new) w
              JOIN ledger.account a ON a.shard = w.shard AND a.id = w.payee
              JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency
             WHERE t.balance_limit IS NOT NULL)
      ORDER BY id FOR NO KEY UPDATE;
    FOREACH v_pending IN ARRAY v_new LOOP
        v_at := ledger.decision_time();
        SELECT * INTO STRICT v_payer FROM ledger.account WHERE shard = 0 AND id = v_pending.payer;
        SELECT * INTO STRICT v_payee FROM ledger.account WHERE shard = 0 AND id = v_pending.payee;
        SELECT * INTO v_keeper FROM ledger.account
         WHERE shard = 0 AND id = ledger.bank_position(0::smallint, v_payer);
        v_taker := ledger.bank_position(0::smallint, v_payee);
        CONTINUE WHEN ledger.has_backlog(0::smallint, ARRAY[v_keeper.id, v_payee.id]);
        v_max := CASE WHEN v_payer.participant_no = ANY (p_shut) THEN 0
                      WHEN v_payer.participant_no = ANY (p_probed) THEN 1
                      ELSE p_calls_max END;
        v_outcome := CASE
            WHEN v_pending.expires_at <= v_at THEN 20
            WHEN v_payer.holder_freeze OR v_payer.operator_freeze THEN 70
            WHEN v_payer.lifecycle <> 'open' THEN 80
            WHEN v_payee.lifecycle <> 'open' THEN 90
            WHEN v_pending.hold_seconds IS NULL
                AND ledger.is_over_limit(0::smallint, v_payee, v_pending.amount, v_at) THEN 120
            WHEN ledger.is_short(0::smallint, v_keeper, v_pending.amount, v_at) THEN 130
            WHEN v_keeper.holder_freeze OR v_keeper.operator_freeze THEN 140
            WHEN v_keeper.id IS NULL OR v_taker IS NULL
                OR v_pending.created_at + p_deadline <= v_at THEN 140
            WHEN NOT ledger.may_call_bank(v_payer.participant_no, 1::smallint, v_max) THEN 141
            WHEN v_payee.kind = 'external'
                AND NOT ledger.may_call_bank(v_payee.participant_no, 2::smallint,
                                             ledger.bank_credits_max()) THEN 140
            ELSE 0
        END;
        IF v_outcome = 141 THEN  -- and so will be who comes next
            INSERT INTO ledger.bank_room AS r (participant_no, calls_max, forgotten_at)
            VALUES (v_payer.participant_no, v_max, v_at + interval '1 second')
                ON CONFLICT (participant_no) DO UPDATE
               SET calls_max = excluded.calls_max, forgotten_at = excluded.forgotten_at
             WHERE r.calls_max <> excluded.calls_max
                OR r.forgotten_at < excluded.forgotten_at - interval '0.5 second';
            v_outcome := 140;
        END IF;
        IF v_outcome <> 0 THEN
            PERFORM ledger.finish_pending(v_pending, v_outcome, v_at);
            CONTINUE;
        END IF;
        UPDATE ledger.account SET held = held + v_pending.amount
         WHERE shard = 0 AND id = v_keeper.id;
        UPDATE ledger.pending_payment w
           SET stage = 1, keeper = v_keeper.id, taker = v_taker,
               deadline_at = least(v_at + p_deadline, w.expires_at),
               hold_expires_at = v_at + make_interval(secs => w.hold_seconds)
         WHERE w.shard = 0 AND w.id = v_pending.id;
        INSERT INTO ledger.bank_call (payment, kind, participant_no, account, created_at, due_at)
        VALUES (v_pending.id, 1, v_payer.participant_no, v_payer.id, v_at, v_at);
    END LOOP;
    RETURN cardinality(v_new);
END $$;
