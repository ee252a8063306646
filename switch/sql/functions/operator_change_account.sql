-- operator_change_account(account, action) → (status, frozen_by, reason)
--
-- Purpose     Freezes, unfreezes or closes any account for the operator.
-- Parameters  p_account; p_action  freeze, unfreeze or close
-- Returns     the state afterwards, as apply_to_account; SW001 when there is no such account
-- Locks       the account
-- Tables      updates account
CREATE OR REPLACE FUNCTION ledger.operator_change_account(
    p_account uuid, p_action text,
    OUT status text, OUT frozen_by text, OUT reason text)
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    PERFORM ledger.operator_read_account(p_account);
    SELECT * INTO STRICT status, frozen_by, reason FROM ledger.apply_to_account(p_account, p_action,
           'operator');
END $$;
