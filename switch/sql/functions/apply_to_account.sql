-- apply_to_account(account, action, actor) → (status, frozen_by, reason)
--
-- Purpose     Freezes, unfreezes or closes an account. Closing takes two steps: no new payments
--             from now on, closed when the transactions open at this moment have ended and nothing
--             is left (finish_closing).
-- Parameters  p_account; p_action  freeze, unfreeze or close; p_actor  participant or operator
-- Returns     the account's state afterwards, and why the action changed nothing: null,
--             frozen_by_operator (only the operator lifts its own freeze) or already_closed
-- Locks       the account
-- Tables      updates account
CREATE OR REPLACE FUNCTION ledger.apply_to_account(
    p_account uuid, p_action text, p_actor text,
    OUT status text, OUT frozen_by text, OUT reason text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_account ledger.account;
BEGIN
    SELECT * INTO STRICT v_account FROM ledger.account WHERE shard = 0
           AND id = p_account FOR NO KEY UPDATE;
    IF v_account.lifecycle = 'closed' THEN
        reason := 'already_closed';
    ELSIF v_account.frozen_by = 'operator' AND p_actor <> 'operator' AND p_action <> 'close' THEN
        reason := 'frozen_by_operator';
    ELSIF p_action = 'freeze' THEN
        v_account.frozen_by := p_actor;
    ELSIF p_action = 'unfreeze' THEN
        v_account.frozen_by := null;
    ELSIF p_action = 'close' THEN
        v_account.lifecycle := 'closing';
    ELSE
        RAISE EXCEPTION 'unknown action %', p_action;
    END IF;
    UPDATE ledger.account a
       SET frozen_by = v_account.frozen_by, lifecycle = v_account.lifecycle
     WHERE a.shard = 0 AND a.id = p_account AND reason IS NULL;
    status := CASE WHEN v_account.lifecycle <> 'open' THEN v_account.lifecycle
                   WHEN v_account.frozen_by IS NOT NULL THEN 'frozen' ELSE 'open' END;
    frozen_by := v_account.frozen_by;
END $$;
