-- read_accounts(participant_no, account, reference, after, limit) → rows of account_now
--
-- Purpose     A participant's own accounts.
-- Parameters  p_account  this one only, null for all; p_reference  only with this reference, null
--             for all;
--             p_after  only ids after this one, null from the start; p_limit  how many
-- Returns     the accounts in id order, as of now
-- Locks       none
-- Tables      reads account_now; as present_account
CREATE OR REPLACE FUNCTION ledger.read_accounts(
    p_participant_no integer, p_account uuid, p_reference text, p_after uuid, p_limit integer)
RETURNS SETOF ledger.account_now
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_at  constant timestamptz := ledger.decision_time();
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
        RETURN NEXT ledger.present_account(v_row, v_at);
    END LOOP;
END $$;
