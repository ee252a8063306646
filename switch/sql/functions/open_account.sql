-- open_account(participant_no, key, digest, account_id, kind, currency, reference, tier) → one row
--
-- Purpose     Opens an account for a participant's signed message, once a key.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for;
--             p_account_id  the id the account gets if this message opens it; p_tier  null for the
--             kind's default
-- Returns     disposition  0 opened now, 1 opened before by the same message, 2 the key was spent
--             on something else,
--                          3 the tier is not offered (no key spent)
--             operation    what is answered, null where disposition is 2 or 3
-- Locks       the key claim
-- Tables      inserts key_claim; reads tier, tier_default; as begin_account
CREATE OR REPLACE FUNCTION ledger.open_account(
    p_participant_no integer, p_key text, p_digest bytea, p_account_id uuid, p_kind text,
    p_currency text, p_reference text, p_tier text,
    OUT disposition smallint, OUT operation ledger.account_operation)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_tier  ledger.tier;
    v_claim record;
BEGIN
    -- Every other account is the operator's to open; this function serves the workers.
    IF NOT EXISTS (SELECT FROM ledger.participant p
                    WHERE p.participant_no = p_participant_no AND p_participant_no <> 0
                      AND (p.kind, p_kind) IN (('wallet', 'wallet'), ('merchant', 'merchant'),
                                               ('bank', 'external'))) THEN
        RAISE EXCEPTION 'a participant of this kind opens no account of kind %', p_kind
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT t.* INTO v_tier FROM ledger.tier t
     WHERE t.currency = p_currency AND p_kind <> 'external'  -- its bank limits it
       AND CASE WHEN p_tier IS NOT NULL THEN t.name = p_tier AND t.choosable
                ELSE t.name = (SELECT d.tier FROM ledger.tier_default d
                                WHERE d.kind = p_kind AND d.currency = p_currency) END;
    IF p_tier IS NOT NULL AND v_tier.name IS NULL
       AND NOT EXISTS (SELECT FROM ledger.key_claim WHERE participant_no = p_participant_no
                       AND key = p_key) THEN
        disposition := 3;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_claim
      FROM ledger.claim_account_key(p_participant_no, p_key, p_digest, p_account_id);
    disposition := v_claim.disposition;
    operation := v_claim.operation;
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    operation := ledger.begin_account(p_participant_no, p_key, p_account_id, p_kind, p_currency,
                                      p_reference, v_tier);
END $$;
