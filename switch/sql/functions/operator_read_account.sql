-- operator_read_account(account) → row of account_now
--
-- Purpose     Any account, for an operator's command.
-- Parameters  p_account  its id
-- Returns     the account as of now; SW001 when there is none
-- Locks       none
-- Tables      reads account_now; as present_account
CREATE OR REPLACE FUNCTION ledger.operator_read_account(p_account uuid)
    RETURNS SETOF ledger.account_now
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT now.*
                   FROM ledger.account_now a,
                        LATERAL ledger.present_account(a, ledger.decision_time()) now
                  WHERE a.shard = 0 AND a.id = p_account;
    IF NOT FOUND THEN
        PERFORM ledger.refuse(format('there is no account %s', p_account),
                              'give the id that `account open` printed');
    END IF;
END $$;
