-- route_to_banks(shard, payers[], payees[], amounts[], hold_seconds[], kinds, verdicts, …) → arrays
--
-- Purpose     Which messages of a batch a bank has to decide: payer or payee is an account whose
--             money a bank holds, and nothing speaks against the payment so far.
-- Parameters  p_shard; p_payer … p_hold_seconds  of each message; p_payer_kinds, p_payee_kinds
--             of each message, null where the account is not known; verdicts  as check_messages;
--             p_capped  payees whose balance is capped; p_at  the batch's time
-- Returns     of each message: verdicts, null where the payer's bank is asked, 30 for a hold for an
--             account at a bank, 140 where too many wait to be begun, and where the payer's bank
--             cannot be asked and nothing but that would be said; routes  1 the payer's bank is
--             asked, 2 the payee's bank is told, 140 it cannot be told, else null; takers  where
--             routes is 2, the position of the payee's bank
-- Locks       none
-- Tables      reads pending_payment, account, participant, bank_call, bank_room
CREATE OR REPLACE FUNCTION ledger.route_to_banks(
    p_shard smallint, p_payer uuid[], p_payee uuid[], p_amount bigint[], p_hold_seconds integer[],
    p_payer_kinds text[], p_payee_kinds text[], p_capped uuid[], p_at timestamptz,
    INOUT verdicts smallint[], OUT routes smallint[], OUT takers uuid[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_payer   ledger.account;
    v_payee   ledger.account;
    v_refused boolean;
    v_may     boolean;
    v_asked   integer[] := '{}';  -- banks looked at: their open calls are counted once a batch
    v_open    boolean[] := '{}';  -- which of them may be called
    v_shut    constant integer[] := ARRAY(  -- payers' banks that cannot be asked, as it seems
        SELECT r.participant_no FROM ledger.bank_room r
         WHERE r.forgotten_at > p_at
           AND NOT ledger.may_call_bank(r.participant_no, 1::smallint, r.calls_max));
    v_full    constant boolean := EXISTS (SELECT FROM ledger.pending_payment WHERE stage = 0
                                        OFFSET ledger.pending_new_max());
BEGIN
    routes := array_fill(null::smallint, ARRAY[cardinality(verdicts)]);
    takers := array_fill(null::uuid, ARRAY[cardinality(verdicts)]);
    FOR i IN 1 .. cardinality(verdicts) LOOP
        CONTINUE WHEN verdicts[i] IS NULL OR verdicts[i] BETWEEN 1 AND 30;
        IF p_payee_kinds[i] = 'external' AND p_hold_seconds[i] IS NOT NULL THEN
            verdicts[i] := 30;
        ELSIF verdicts[i] <> 0 THEN
            CONTINUE;
        ELSIF p_payer_kinds[i] = 'external' THEN
            v_refused := v_full;
            IF v_shut <> '{}' AND p_payee[i] <> ALL (p_capped) THEN
                SELECT * INTO STRICT v_payer FROM ledger.account
                 WHERE shard = p_shard AND id = p_payer[i];
                v_refused := v_refused OR v_payer.participant_no = ANY (v_shut) AND EXISTS (
                    SELECT FROM ledger.account a
                     WHERE a.shard = p_shard AND a.id = ledger.bank_position(p_shard, v_payer)
                       AND a.balance - p_amount[i] >= a.held + a.floor);
            END IF;
            routes[i] := CASE WHEN NOT v_refused THEN 1 END;
            verdicts[i] := CASE WHEN v_refused THEN 140 END;
        ELSIF p_payee_kinds[i] = 'external' THEN
            SELECT * INTO STRICT v_payee FROM ledger.account
             WHERE shard = p_shard AND id = p_payee[i];
            takers[i] := ledger.bank_position(p_shard, v_payee);
            v_may := v_open[array_position(v_asked, v_payee.participant_no)];
            IF v_may IS NULL THEN
                v_may := ledger.may_call_bank(v_payee.participant_no, 2::smallint,
                                              ledger.bank_credits_max());
                v_asked := v_asked || v_payee.participant_no;
                v_open := v_open || v_may;
            END IF;
            routes[i] := CASE WHEN takers[i] IS NOT NULL AND v_may THEN 2 ELSE 140 END;
        END IF;
    END LOOP;
END $$;
