-- fold_or_refuse(accounts[])
--
-- Purpose     Adds up all waiting credits of accounts that the operator acts on, and releases what
--             holds past their time still keep from them.
-- Parameters  p_accounts  accounts locked by this transaction
-- Returns     nothing; SW001 when more wait than one call may add up
-- Locks       their unfolded credits; as release_all
-- Tables      reads and deletes unfolded_credit; updates account; inserts fold; as release_all
CREATE OR REPLACE FUNCTION ledger.fold_or_refuse(p_accounts uuid[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF ledger.has_backlog(0::smallint, p_accounts) THEN
        PERFORM ledger.refuse('more credits wait to be added to the account than one call adds up',
                              'try again when `switch status` shows that the fold has caught up');
    END IF;
    PERFORM ledger.fold_accounts(0::smallint, p_accounts);
    PERFORM ledger.release_all(0::smallint, p_accounts, ledger.decision_time());
END $$;
