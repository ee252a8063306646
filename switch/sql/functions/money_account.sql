-- money_account(account, amount) → currency
--
-- Purpose     Refuses what the operator cannot issue to an account or redeem from it, whatever its
--             balance.
-- Parameters  p_account; p_amount  in minor units
-- Returns     the account's currency
-- Locks       none
-- Tables      reads account
CREATE OR REPLACE FUNCTION ledger.money_account(p_account uuid, p_amount bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_account ledger.account_now;
BEGIN
    SELECT * INTO STRICT v_account FROM ledger.operator_read_account(p_account);
    IF p_amount NOT BETWEEN 1 AND 1000000000000000 THEN
        PERFORM ledger.refuse(format('%s is no amount', p_amount),
                              'give minor units from 1 to 10^15');
    ELSIF v_account.kind NOT IN ('position', 'wallet', 'merchant', 'government', 'fee') THEN
        PERFORM ledger.refuse(format('an account of kind %s cannot take part in this',
                                     v_account.kind),
                              'name a position, wallet, merchant, government or fee account');
    END IF;
    RETURN v_account.currency;
END $$;
