-- fold_accounts(shard, accounts[]) → number of credits
--
-- Purpose     Adds the waiting credits of accounts that the caller has locked to their balances:
--             one posting an account.
-- Parameters  p_shard, p_accounts  accounts locked by this transaction
-- Returns     how many credits were added
-- Locks       the unfolded credits of these accounts (only whoever holds the account's lock takes
--             them)
-- Tables      deletes unfolded_credit; updates account; inserts fold
CREATE OR REPLACE FUNCTION ledger.fold_accounts(p_shard smallint, p_accounts uuid[]) RETURNS bigint
LANGUAGE sql
SET enable_seqscan = off  -- the queue's statistics are those of an empty table, it is not always
AS $$
    WITH present AS MATERIALIZED (
        SELECT ledger.decision_time() AS at
    ), taken AS (
        DELETE FROM ledger.unfolded_credit
         WHERE shard = p_shard AND payee = ANY (p_accounts)
        RETURNING payee, transfer_id, amount
    ), summed AS (
        SELECT payee, array_agg(transfer_id ORDER BY transfer_id) AS transfer_ids,
               array_agg(amount ORDER BY transfer_id) AS amounts, sum(amount)::bigint AS total,
               count(*) AS credits
          FROM taken
         GROUP BY payee
    ), added AS (
        UPDATE ledger.account a
           SET balance = a.balance + s.total, posting_count = a.posting_count + 1
          FROM summed s
         WHERE a.shard = p_shard AND a.id = s.payee
        RETURNING a.id, a.posting_count, a.balance - s.total AS opening_balance, s.transfer_ids,
                  s.amounts, s.credits
    ), recorded AS (
        INSERT INTO ledger.fold (shard, account, posting_no, opening_balance, folded_at,
                                 transfer_ids, amounts)
        SELECT p_shard, added.id, added.posting_count, added.opening_balance, present.at,
               added.transfer_ids, added.amounts
          FROM added, present
    )
    SELECT coalesce(sum(credits), 0)::bigint FROM added
$$;
