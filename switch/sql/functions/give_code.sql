-- give_code(participant_no, key, digest, ids, payer, payment_limit, valid_s, open_max) → one row
--
-- Purpose     Gives a payment code for a participant's signed message, once a key: a mandate by
--             which whoever presents the code takes from an account of the participant, once.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_ids  what the mandate may be called, made from codes: the first
--             that is free is taken; p_payer, p_payment_limit  as the columns of mandate; p_valid_s
--             for how many seconds; p_open_max  how many codes of the payer may be open at once
-- Returns     disposition  0 given now, 1 given before by the same message, 2 the key was spent on
--             something else, 3 the payer's money cannot be taken by a code now, 4 the payer is no
--             account of the participant, 7 too many of its codes are open (none of these three
--             spends a key), 5 the key is barred; mandate  as it is now, where disposition is 0 or
--             1; subject  as claim_mandate_key
-- Locks       the payer's turn, an advisory lock, so that no two count the same open codes; then
--             the key claim. Nobody who holds a claim waits for such a turn
-- Tables      inserts key_claim, mandate; reads account, key_claim
CREATE OR REPLACE FUNCTION ledger.give_code(
    p_participant_no integer, p_key text, p_digest bytea, p_ids uuid[], p_payer uuid,
    p_payment_limit bigint, p_valid_s integer, p_open_max integer,
    OUT disposition smallint, OUT subject uuid, OUT mandate ledger.mandate)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_now   timestamptz;
    v_payer ledger.account;
    v_id    uuid;
BEGIN
    SELECT * INTO v_payer FROM ledger.account
     WHERE shard = 0 AND id = p_payer AND participant_no = p_participant_no;
    IF v_payer.id IS NULL THEN
        disposition := 4;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('code ' || p_payer::text, 0));
    v_now := ledger.decision_time();
    IF NOT EXISTS (SELECT FROM ledger.key_claim c
                    WHERE c.participant_no = p_participant_no AND c.key = p_key) THEN
        IF v_payer.kind NOT IN ('wallet', 'merchant', 'government')
           OR v_payer.lifecycle <> 'open' OR v_payer.holder_freeze OR v_payer.operator_freeze THEN
            disposition := 3;
            RETURN;
        END IF;
        IF p_open_max <= (SELECT count(*) FROM ledger.mandate m
                           WHERE m.payer = p_payer AND m.payee IS NULL AND m.not_after > v_now
                             AND m.uses = 0 AND m.revoked_at IS NULL) THEN
            disposition := 7;
            RETURN;
        END IF;
    END IF;
    SELECT i.id INTO v_id FROM unnest(p_ids) WITH ORDINALITY AS i (id, position)
     WHERE NOT EXISTS (SELECT FROM ledger.mandate m WHERE m.id = i.id)
     ORDER BY i.position LIMIT 1;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_mandate_key(p_participant_no, p_key, p_digest, coalesce(v_id, p_ids[1]));
    IF disposition = 0 THEN
        INSERT INTO ledger.mandate
            (id, participant_no, payer, currency, payment_limit, uses_max, created_at, not_before,
             not_after)
        VALUES (v_id, p_participant_no, p_payer, v_payer.currency, p_payment_limit, 1, v_now, v_now,
                v_now + make_interval(secs => p_valid_s));
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT mandate FROM ledger.mandate m WHERE m.id = subject;
    END IF;
END $$;
