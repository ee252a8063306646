-- release_all(shard, accounts[], at)
--
-- Purpose     Gives payers back all that holds past their time still keep, however many there are.
-- Parameters  as release_expired
-- Returns     nothing
-- Locks       as release_expired
-- Tables      as release_expired
CREATE OR REPLACE FUNCTION ledger.release_all(
    p_shard smallint, p_accounts uuid[], p_at timestamptz) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    WHILE ledger.release_expired(p_shard, p_accounts, p_at) >= ledger.fold_items_max() LOOP
    END LOOP;
END $$;
