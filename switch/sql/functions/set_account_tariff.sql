-- set_account_tariff(account, tariff)
--
-- Purpose     Says what is kept of the purchases that an account is paid; counts from the next
--             decision on.
-- Parameters  p_account  of kind merchant or government; p_tariff  in its currency, null for none
-- Returns     nothing; SW001 when there is no such account or tariff
-- Locks       the account
-- Tables      updates account; reads tariff
CREATE OR REPLACE FUNCTION ledger.set_account_tariff(p_account uuid, p_tariff text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_account record;
BEGIN
    SELECT * INTO v_account FROM ledger.operator_read_account(p_account);
    IF v_account.kind NOT IN ('merchant', 'government') THEN
        PERFORM ledger.refuse('purchases are paid to merchants and government only',
                              'name an account of one of these kinds');
    ELSIF p_tariff IS NOT NULL
          AND NOT EXISTS (SELECT FROM ledger.tariff
                           WHERE name = p_tariff AND currency = v_account.currency) THEN
        PERFORM ledger.refuse(format('there is no tariff "%s" in %s', p_tariff, v_account.currency),
                              'see `switch tariff list`, or make it with `switch tariff set`');
    END IF;
    UPDATE ledger.account SET tariff = p_tariff WHERE shard = 0 AND id = p_account;
END $$;
