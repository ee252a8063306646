-- read_accounts(participant_no, account, reference, after, limit) → rows of account_now
--
-- Purpose     A participant's own accounts.
-- Parameters  p_account  this one only, null for all; p_reference  only with this reference, null
--             for all;
--             p_after  only ids after this one, null from the start; p_limit  how many
-- Returns     the accounts in id order, `spent_today` as of today
-- Locks       none
-- Tables      reads account_now, setting
CREATE OR REPLACE FUNCTION ledger.read_accounts(
    p_participant_no integer, p_account uuid, p_reference text, p_after uuid, p_limit integer)
RETURNS SETOF ledger.account_now
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_day constant date := ledger.local_day(ledger.decision_time());
    v_row ledger.account_now;
BEGIN
    FOR v_row IN
        SELECT * FROM ledger.account_now
         WHERE participant_no = p_participant_no
           AND (p_account IS NULL OR (shard = 0 AND id = p_account))
           AND (p_reference IS NULL OR reference = p_reference)
           AND (p_after IS NULL OR id > p_after)
         ORDER BY id LIMIT p_limit
    LOOP
        IF v_row.spent_day < v_day THEN
            v_row.spent_today := 0;
        END IF;
        RETURN NEXT v_row;
    END LOOP;
END $$;
