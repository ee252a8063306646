-- fold_accounts(shard, accounts[], limit, at) → number of credits
--
-- Purpose     Adds waiting credits of accounts that the caller has locked to their balances, in
--             postings of at most fold_items_max() credits.
-- Parameters  p_shard, p_accounts  accounts locked by this transaction; p_limit  how many credits
--             at most in all: the first account's first, each account's in id order, which is that
--             of their age; null for all of them; p_at  the time of the postings, taken since the
--             accounts are locked; null for now
-- Returns     how many credits were added; fewer than p_limit only if none are left
-- Locks       the unfolded credits it adds (only whoever holds the account's lock takes them)
-- Tables      deletes unfolded_credit; updates account; inserts fold
CREATE OR REPLACE FUNCTION ledger.fold_accounts(
    p_shard smallint, p_accounts uuid[], p_limit bigint DEFAULT NULL,
    p_at timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE sql
SET enable_seqscan = off  -- the queue's statistics are those of an empty table, it is not always
SET enable_bitmapscan = off  -- nor may all credits be sorted where the index has them in order
AS $$
    WITH present AS MATERIALIZED (
        SELECT coalesce(p_at, ledger.decision_time()) AS at
    ), taken AS (
        -- By place and nothing else: with `shard` the planner reads the whole index instead, and
        -- looks for each row's place in the list.
        DELETE FROM ledger.unfolded_credit
         WHERE ctid = ANY (ARRAY(
                   SELECT c.ctid
                     FROM (SELECT DISTINCT id FROM unnest(p_accounts) AS id ORDER BY id) a
                    CROSS JOIN LATERAL (SELECT u.ctid FROM ledger.unfolded_credit u
                                         WHERE u.shard = p_shard AND u.payee = a.id
                                         ORDER BY u.transfer_id LIMIT p_limit) c
                    LIMIT p_limit))
        RETURNING payee, transfer_id, amount
    ), numbered AS (
        SELECT t.*, (row_number() OVER (PARTITION BY payee ORDER BY transfer_id) - 1)
                        / ledger.fold_items_max() AS piece
          FROM taken t
    ), pieces AS (
        SELECT payee, piece, array_agg(transfer_id ORDER BY transfer_id) AS transfer_ids,
               array_agg(amount ORDER BY transfer_id) AS amounts, sum(amount)::bigint AS total,
               count(*) AS credits
          FROM numbered
         GROUP BY payee, piece
    ), summed AS (
        SELECT payee, sum(total)::bigint AS total, count(*) AS postings
          FROM pieces
         GROUP BY payee
    ), added AS (
        UPDATE ledger.account a
           SET balance = a.balance + s.total, posting_count = a.posting_count + s.postings
          FROM summed s
         WHERE a.shard = p_shard AND a.id = s.payee
        RETURNING a.id, a.posting_count - s.postings AS postings_before,
                  a.balance - s.total AS balance_before
    ), recorded AS (
        INSERT INTO ledger.fold (shard, account, posting_no, opening_balance, folded_at,
                                 transfer_ids, amounts)
        SELECT p_shard, a.id, a.postings_before + p.piece + 1,
               a.balance_before
                   + sum(p.total) OVER (PARTITION BY p.payee ORDER BY p.piece) - p.total,
               present.at, p.transfer_ids, p.amounts
          FROM added a JOIN pieces p ON p.payee = a.id, present
    )
    SELECT coalesce(sum(p.credits), 0)::bigint FROM pieces p
$$;
