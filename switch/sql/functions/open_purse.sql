-- open_purse(participant_no, key, digest, id, purpose, wallet) → one row
--
-- Purpose     Opens a purse of a funder's purpose beside a wallet, for the funder's signed message,
--             once a key; the one that is there where the wallet has one of this purpose. Its
--             account belongs to whoever holds the wallet.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what the purse is called if this message opens it; p_purpose
--             of this participant; p_wallet  any wallet of the purpose's currency
-- Returns     disposition  0 opened now, 1 by the same message before, 2 the key was spent on
--             something else, 3 no open wallet of this currency, 4 no purpose of this participant,
--             or an ended one (3 and 4 spend no key), 5 the key is barred; subject  as
--             claim_subject; purse  where disposition is 0 or 1
-- Locks       the key claim, then the wallet
-- Tables      as claim_subject; inserts account, purse; updates account; reads purpose
CREATE OR REPLACE FUNCTION ledger.open_purse(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_purpose uuid, p_wallet uuid,
    OUT disposition smallint, OUT subject uuid, OUT purse ledger.purse)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_purpose ledger.purpose;
    v_wallet  ledger.account;
BEGIN
    SELECT * INTO v_purpose FROM ledger.purpose
     WHERE id = p_purpose AND participant_no = p_participant_no
       AND (not_after > ledger.decision_time() OR ledger.is_spent(p_participant_no, p_key));
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO v_wallet FROM ledger.account
     WHERE shard = 0 AND id = p_wallet AND kind = 'wallet' AND currency = v_purpose.currency
       AND (lifecycle = 'open' OR ledger.is_spent(p_participant_no, p_key));
    IF NOT FOUND THEN
        disposition := 3;
        RETURN;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_subject(
               p_participant_no, p_key, p_digest,
               coalesce((SELECT p.id FROM ledger.purse p
                          WHERE p.wallet = p_wallet AND p.purpose = p_purpose), p_id),
               8::smallint);
    IF disposition = 0 AND subject = p_id THEN
        UPDATE ledger.account SET has_purses = true WHERE shard = 0 AND id = p_wallet;
        INSERT INTO ledger.account (participant_no, id, kind, currency, created_at)
        VALUES (v_wallet.participant_no, p_id, 'purse', v_purpose.currency,
                ledger.decision_time());
        INSERT INTO ledger.purse (id, wallet, purpose, not_after)
        VALUES (p_id, p_wallet, p_purpose, v_purpose.not_after);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT purse FROM ledger.purse p WHERE p.id = subject;
    END IF;
END $$;
