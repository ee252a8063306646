-- credit_splits(shard, payments[], positions[], accounts[], amounts[])
--
-- Purpose     Credits others than the payee with their parts of what moved.
-- Parameters  p_shard; p_payments  of each message, null where nothing moved; of each part
--             p_positions  which message, p_accounts, p_amounts  minor units
-- Returns     nothing
-- Locks       none
-- Tables      inserts split, unfolded_credit
CREATE OR REPLACE FUNCTION ledger.credit_splits(
    p_shard smallint, p_payments uuid[], p_positions integer[], p_accounts uuid[],
    p_amounts bigint[]) RETURNS void
LANGUAGE sql
AS $$
    WITH part AS MATERIALIZED (
        SELECT p_payments[s.position] AS payment, s.account, s.amount
          FROM unnest(p_positions, p_accounts, p_amounts) AS s (position, account, amount)
         WHERE p_payments[s.position] IS NOT NULL
    ), told AS (
        INSERT INTO ledger.split (shard, payment, account, amount)
        SELECT p_shard, payment, account, amount FROM part
    )
    INSERT INTO ledger.unfolded_credit (shard, payee, transfer_id, amount)
    SELECT p_shard, account, payment, amount FROM part
$$;
