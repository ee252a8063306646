-- apply_to_account(account, action, actor) → (status, frozen_by, reason)
--
-- Purpose     Freezes, unfreezes or closes an account. Holder and operator freeze each for itself,
--             and each lifts its own freeze only. Closing takes two steps: no new payments from now
--             on, closed when the transactions open at this moment have ended and nothing is left
--             (finish_closing). A holder closes an account that is empty; the operator may close
--             one with money in it, which then leaves by redemption or reversal only.
-- Parameters  p_account; p_action  freeze, unfreeze or close; p_actor  participant or operator
-- Returns     the account's state afterwards (frozen_by  operator, else participant, else null),
--             and why the action did not do what was asked: null, frozen_by_operator or
--             frozen_by_participant (the other's freeze still stands), not_empty or already_closed
-- Locks       the account, states of payments that it holds money for
-- Tables      updates account, payment_state; reads unfolded_credit
CREATE OR REPLACE FUNCTION ledger.apply_to_account(
    p_account uuid, p_action text, p_actor text,
    OUT status text, OUT frozen_by text, OUT reason text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_account ledger.account;
    v_freeze  constant boolean := p_action = 'freeze';
BEGIN
    SELECT * INTO STRICT v_account FROM ledger.account
     WHERE shard = 0 AND id = p_account
       FOR NO KEY UPDATE;
    IF v_account.held > 0 THEN  -- what is past its time keeps nothing
        PERFORM ledger.release_all(0::smallint, ARRAY[p_account], ledger.decision_time());
        SELECT * INTO STRICT v_account FROM ledger.account WHERE shard = 0 AND id = p_account;
    END IF;
    IF v_account.lifecycle = 'closed' THEN
        reason := 'already_closed';
    ELSIF p_action = 'close' THEN
        IF p_actor <> 'operator'
           AND (v_account.balance <> 0 OR v_account.held <> 0
                OR EXISTS (SELECT FROM ledger.unfolded_credit
                            WHERE shard = 0 AND payee = p_account)) THEN
            reason := 'not_empty';
        ELSE
            v_account.lifecycle := 'closing';
        END IF;
    ELSIF p_actor = 'operator' THEN
        v_account.operator_freeze := v_freeze;
        reason := CASE WHEN NOT v_freeze AND v_account.holder_freeze
                       THEN 'frozen_by_participant' END;
    ELSE
        v_account.holder_freeze := v_freeze;
        reason := CASE WHEN NOT v_freeze AND v_account.operator_freeze
                       THEN 'frozen_by_operator' END;
    END IF;
    UPDATE ledger.account a
       SET holder_freeze = v_account.holder_freeze, operator_freeze = v_account.operator_freeze,
           lifecycle = v_account.lifecycle
     WHERE a.shard = 0 AND a.id = p_account;
    frozen_by := CASE WHEN v_account.operator_freeze THEN 'operator'
                      WHEN v_account.holder_freeze THEN 'participant' END;
    status := CASE WHEN v_account.lifecycle <> 'open' THEN v_account.lifecycle
                   WHEN frozen_by IS NOT NULL THEN 'frozen' ELSE 'open' END;
END $$;
