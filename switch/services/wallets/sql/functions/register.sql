-- register(participant_no, key, digest, account_id, currency, reference, tier, …) → one row
--
-- Purpose     Opens a wallet for a participant's signed message, once a key, with what is known of
--             its holder.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_account_id  the id the account gets if this message opens it;
--             p_tier  that of the class; p_fingerprint  of the key of the indexes; p_phone_index
--             null for no phone; p_sealed_phone, p_sealed_name, p_sealed_document  sealed for the
--             row of p_account_id; p_checked_in_person  whether somebody saw the holder
-- Returns     disposition  0 opened now, 1 opened before by the same message, 2 the key was spent
--             on something else, 3 there is no such tier, 5 barred, 7 the number names another
--             wallet (3 and 7 spend no key)
--             operation    what is answered, null where disposition is not 0 or 1
-- Locks       the number, then the key claim
-- Tables      inserts wallet, alias; reads key_claim, participant, tier; as claim_account_key and
--             begin_account
CREATE OR REPLACE FUNCTION wallets.register(
    p_participant_no integer, p_key text, p_digest bytea, p_account_id uuid, p_currency text,
    p_reference text, p_tier text, p_fingerprint bytea, p_phone_index bytea, p_sealed_phone bytea,
    p_sealed_name bytea, p_sealed_document bytea, p_checked_in_person boolean,
    OUT disposition smallint, OUT operation ledger.account_operation)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
DECLARE
    v_tier  ledger.tier;
    v_claim record;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.participant p
                    WHERE p.participant_no = p_participant_no AND p.kind = 'wallet') THEN
        RAISE EXCEPTION 'only wallet providers register wallets'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM wallets.check_index_key(p_fingerprint);
    IF p_phone_index IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(p_phone_index::text, 0));
    END IF;
    SELECT * INTO v_tier FROM ledger.tier WHERE name = p_tier AND currency = p_currency;
    IF NOT EXISTS (SELECT FROM ledger.key_claim
                    WHERE participant_no = p_participant_no AND key = p_key) THEN
        IF v_tier.name IS NULL THEN
            disposition := 3;
            RETURN;
        ELSIF EXISTS (SELECT FROM wallets.alias WHERE kind = 'phone'
                        AND blind_index = p_phone_index AND currency = p_currency) THEN
            disposition := 7;
            RETURN;
        END IF;
    END IF;
    SELECT * INTO STRICT v_claim
      FROM ledger.claim_account_key(p_participant_no, p_key, p_digest, p_account_id);
    disposition := v_claim.disposition;
    operation := v_claim.operation;
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    operation := ledger.begin_account(p_participant_no, p_key, p_account_id, 'wallet', p_currency,
                                      p_reference, v_tier);
    INSERT INTO wallets.wallet (account, participant_no, checked_in_person, sealed_phone,
                                sealed_name, sealed_document)
    VALUES (p_account_id, p_participant_no, p_checked_in_person, p_sealed_phone, p_sealed_name,
            p_sealed_document);
    IF p_phone_index IS NOT NULL THEN
        INSERT INTO wallets.alias (kind, blind_index, currency, account)
        VALUES ('phone', p_phone_index, p_currency, p_account_id);
    END IF;
END $$;
