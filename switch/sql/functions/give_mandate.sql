-- give_mandate(participant_no, key, digest, id, …what it permits…) → one row
--
-- Purpose     Gives a mandate for a participant's signed message, once a key: permits a payee to
--             take from an account of the participant without asking.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what the mandate is called if this message gives it; p_payer
--             … p_not_after  as the columns of mandate; p_not_before  null for now
-- Returns     disposition  0 given now, 1 given before by the same message, 2 the key was spent on
--             something else, 3 the payee is no account that could be paid from this one, 4 the
--             payer is no account of the participant that mandates can be given for (neither spends
--             a key), 5 the key is barred; mandate  as it is now, where disposition is 0 or 1;
--             subject  as claim_mandate_key
-- Locks       the key claim
-- Tables      inserts key_claim, mandate; reads account
CREATE OR REPLACE FUNCTION ledger.give_mandate(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_payer uuid, p_payee uuid,
    p_purpose text, p_payment_limit bigint, p_daily_limit bigint, p_monthly_limit bigint,
    p_uses_max integer, p_not_before timestamptz, p_not_after timestamptz,
    OUT disposition smallint, OUT subject uuid, OUT mandate ledger.mandate)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_now   constant timestamptz := ledger.decision_time();
    v_payer ledger.account;
BEGIN
    SELECT * INTO v_payer FROM ledger.account
     WHERE shard = 0 AND id = p_payer AND participant_no = p_participant_no
       AND kind IN ('wallet', 'merchant', 'government');
    IF v_payer.id IS NULL THEN
        disposition := 4;
        RETURN;
    END IF;
    IF p_payee = p_payer OR NOT EXISTS (
           SELECT FROM ledger.account
            WHERE shard = 0 AND id = p_payee AND currency = v_payer.currency
              AND kind IN ('wallet', 'merchant', 'government')) THEN
        disposition := 3;
        RETURN;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_mandate_key(p_participant_no, p_key, p_digest, p_id);
    IF disposition = 0 THEN
        INSERT INTO ledger.mandate
            (id, participant_no, payer, payee, currency, purpose, payment_limit, daily_limit,
             monthly_limit, uses_max, created_at, not_before, not_after)
        VALUES (p_id, p_participant_no, p_payer, p_payee, v_payer.currency, p_purpose,
                p_payment_limit, p_daily_limit, p_monthly_limit, p_uses_max, v_now,
                coalesce(p_not_before, v_now), p_not_after);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT mandate FROM ledger.mandate m WHERE m.id = subject;
    END IF;
END $$;
