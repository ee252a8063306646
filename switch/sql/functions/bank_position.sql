-- bank_position(shard, account) → uuid
--
-- Purpose     The account whose money moves for an account: the account itself, or the position
--             that stands in for one that a bank holds, its oldest open one in the currency.
-- Parameters  p_shard; p_account  as it was read
-- Returns     its id, null when the bank has no open position in the currency
-- Locks       none
-- Tables      reads account
CREATE OR REPLACE FUNCTION ledger.bank_position(p_shard smallint, p_account ledger.account)
    RETURNS uuid
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN p_account.kind <> 'external' THEN p_account.id
                ELSE (SELECT a.id FROM ledger.account a
                       WHERE a.shard = p_shard AND a.participant_no = p_account.participant_no
                         AND a.kind = 'position' AND a.currency = p_account.currency
                         AND a.lifecycle = 'open'
                       ORDER BY a.id LIMIT 1) END
$$;
