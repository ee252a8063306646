-- post_payment(id, type, payer, payee, amount, description, parent) → outcome
--
-- Purpose     Decides and posts one payment of the operator. Neither limits nor freezes bind it;
--             funds and closed accounts do.
-- Parameters  p_id  the payment's id, its key too; p_type  ledger.payment_type.code; p_payer,
--             p_payee  existing accounts of one currency; p_amount  minor units; p_description  the
--             operator's reason; p_parent  the payment that it reverses
-- Returns     ledger.outcome.code, for a repeat with the same id the stored one; SW001 when the
--             id was spent on something else
-- Locks       the key claim, then both accounts in id order and their unfolded credits
-- Tables      as claim_payment; inserts payment, outbox, fold, split; updates account; deletes
--             unfolded_credit
CREATE OR REPLACE FUNCTION ledger.post_payment(
    p_id uuid, p_type smallint, p_payer uuid, p_payee uuid, p_amount bigint, p_description text,
    p_parent uuid)
RETURNS smallint
LANGUAGE plpgsql
AS $$
DECLARE
    v_payer   ledger.account;
    v_payee   ledger.account;
    v_outcome smallint;
    v_claim   record;
    v_at      timestamptz;
    v_parts   record;  -- of what goes back, what others than the payee are credited
    v_net     bigint := p_amount;
BEGIN
    SELECT * INTO v_claim
      FROM ledger.claim_payment(p_id, p_type, p_payer, p_payee, p_amount, p_parent);
    IF v_claim.is_known THEN
        RETURN v_claim.outcome;
    END IF;
    PERFORM FROM ledger.account WHERE shard = 0 AND id IN (p_payer, p_payee)
        ORDER BY id FOR NO KEY UPDATE;
    PERFORM ledger.fold_or_refuse(ARRAY[p_payer, p_payee]);
    SELECT * INTO STRICT v_payer FROM ledger.account WHERE shard = 0 AND id = p_payer;
    SELECT * INTO STRICT v_payee FROM ledger.account WHERE shard = 0 AND id = p_payee;
    v_at := ledger.decision_time();
    v_outcome := CASE WHEN v_payer.lifecycle = 'closed' THEN 80
                      WHEN v_payee.lifecycle <> 'open' THEN 90
                      WHEN v_payer.balance - p_amount < v_payer.held + v_payer.floor THEN 130
                      ELSE 0 END;
    IF p_type = 103 AND v_outcome = 0 THEN
        SELECT * INTO STRICT v_parts
          FROM ledger.find_splits(0::smallint, v_at, p_type,
                   (SELECT y FROM ledger.payment y WHERE y.shard = 0 AND y.id = p_parent),
                   (SELECT s FROM ledger.payment_state s
                     WHERE s.shard = 0 AND s.payment = p_parent), p_amount);
        v_net := v_parts.net;
        PERFORM ledger.credit_splits(0::smallint, ARRAY[p_id], v_parts.positions,
                                     v_parts.accounts, v_parts.amounts);
    END IF;
    INSERT INTO ledger.payment
        (created_at, amount, split, payer_posting_no, payer_balance_after, participant_no, type,
         outcome,
         id, payer, payee,
         parent, currency, key, description)
    VALUES (v_at, p_amount, nullif(p_amount - v_net, 0),
            CASE WHEN v_outcome = 0 THEN v_payer.posting_count + 1 END,
            CASE WHEN v_outcome = 0 THEN v_payer.balance - p_amount END, 0, p_type, v_outcome, p_id,
                p_payer, p_payee,
            p_parent, v_payer.currency, p_id::text, p_description);
    IF v_outcome = 0 THEN
        UPDATE ledger.account SET balance = balance - p_amount, posting_count = posting_count + 1
         WHERE shard = 0 AND id = p_payer;
        INSERT INTO ledger.unfolded_credit (payee, transfer_id, amount)
        SELECT p_payee, p_id, v_net WHERE v_net > 0;
        INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
        VALUES (v_at, 1, ARRAY[p_id], ARRAY[v_payer.participant_no],
                ARRAY[v_payee.participant_no]);
        PERFORM ledger.fold_accounts(0::smallint, ARRAY[p_payee]);
    END IF;
    RETURN v_outcome;
END $$;
