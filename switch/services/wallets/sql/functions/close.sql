-- close(participant_no, key, digest, account, pay_out_to, payment_id) → one row
--
-- Purpose     Pays a wallet's whole balance out and closes it, for its provider's signed message,
--             once a key: both in one transaction, so there is nothing between them to be lost.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_account; p_pay_out_to  a bank's position or another wallet, null
--             where nothing is left; p_payment_id  what the payment is called
-- Returns     disposition  0 done now, 1 done before by the same message, 2 the key was spent on
--             something else, 4 no such wallet of this participant, 5 barred, 16 nobody to pay it
--             out to of this currency (4 and 16 spend no key)
--             operation    what is answered, null where disposition is not 0 or 1: not_empty where
--             the payment was declined or money is held; SW003 as authorize_batch
-- Locks       the wallet, the key claim, both accounts in id order; as authorize_batch
-- Tables      updates account; inserts account_operation; as claim_account_key, authorize_batch and
--             apply_to_account
CREATE OR REPLACE FUNCTION wallets.close(
    p_participant_no integer, p_key text, p_digest bytea, p_account uuid, p_pay_out_to uuid,
    p_payment_id uuid, OUT disposition smallint, OUT operation ledger.account_operation)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
DECLARE
    v_claim  record;
    v_wallet ledger.account;
    v_payee  ledger.account;
BEGIN
    PERFORM wallets.take_turns(p_account);
    IF NOT EXISTS (SELECT FROM wallets.wallet w
                    WHERE w.account = p_account AND w.participant_no = p_participant_no) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_wallet FROM ledger.account WHERE shard = 0 AND id = p_account;
    SELECT * INTO v_payee FROM ledger.account
     WHERE shard = 0 AND id = p_pay_out_to AND id <> p_account AND kind IN ('position', 'wallet')
       AND currency = v_wallet.currency;
    IF p_pay_out_to IS NOT NULL AND v_payee.id IS NULL THEN
        disposition := 16;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_claim
      FROM ledger.claim_account_key(p_participant_no, p_key, p_digest, p_account);
    disposition := v_claim.disposition;
    operation := v_claim.operation;
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    PERFORM FROM ledger.account WHERE shard = 0 AND id IN (p_account, p_pay_out_to)
      ORDER BY id FOR NO KEY UPDATE;
    PERFORM ledger.fold_all(0::smallint, p_account, ledger.decision_time());
    SELECT * INTO STRICT v_wallet FROM ledger.account WHERE shard = 0 AND id = p_account;
    IF v_wallet.balance > 0 AND v_wallet.held = 0 AND v_payee.id IS NOT NULL THEN
        PERFORM FROM ledger.authorize_batch(
            0::smallint, ARRAY[p_participant_no], ARRAY['wallet-close:' || p_payment_id::text],
            ARRAY[p_digest], ARRAY[p_payment_id],
            ARRAY[CASE v_payee.kind WHEN 'position' THEN 4 ELSE 2 END::smallint],
            ARRAY[p_account], ARRAY[p_pay_out_to], ARRAY[v_wallet.balance],
            ARRAY[v_wallet.currency::text], NULL, NULL, NULL, ARRAY['closing of the wallet'], NULL,
            NULL);
    END IF;
    INSERT INTO ledger.account_operation
        (participant_no, key, account, operation, status, frozen_by, reason, decided_at)
    SELECT p_participant_no, p_key, p_account, 'close', s.status, s.frozen_by, s.reason,
           ledger.decision_time()
      FROM ledger.apply_to_account(p_account, 'close', 'participant') s
    RETURNING * INTO operation;
END $$;
