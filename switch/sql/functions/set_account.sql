-- set_account(account, floor, tier)
--
-- Purpose     Changes an account's floor or tier; counts from the next decision on.
-- Parameters  p_account; p_floor  null for unchanged; p_tier  null for unchanged, '' for none
-- Returns     nothing; SW001 when there is no such account or tier, the balance is below the new
--             floor, or too many credits wait
-- Locks       the account
-- Tables      updates account; reads tier
CREATE OR REPLACE FUNCTION ledger.set_account(p_account uuid, p_floor bigint, p_tier text)
    RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_account ledger.account;
BEGIN
    PERFORM ledger.operator_read_account(p_account);
    PERFORM FROM ledger.account WHERE shard = 0 AND id = p_account FOR NO KEY UPDATE;
    PERFORM ledger.fold_or_refuse(ARRAY[p_account]);
    SELECT * INTO STRICT v_account FROM ledger.account WHERE shard = 0 AND id = p_account;
    PERFORM ledger.check_floor(v_account.kind, coalesce(p_floor, v_account.floor));
    PERFORM ledger.check_tier(v_account.kind, nullif(p_tier, ''), v_account.currency);
    IF v_account.balance - v_account.held < p_floor THEN
        PERFORM ledger.refuse(format('the account stands at %s, below the new floor',
                                     v_account.balance),
                              'bring money in first, or give a lower floor');
    END IF;
    UPDATE ledger.account
       SET floor = coalesce(p_floor, v_account.floor), tier = nullif(coalesce(p_tier,
           v_account.tier), '')
     WHERE shard = 0 AND id = p_account;
END $$;
