-- refuse_index_key()
--
-- Purpose     Says that the indexes of aliases were made by another key than the caller's.
-- Returns     never: SW001
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION wallets.refuse_index_key() RETURNS void
LANGUAGE sql
AS $$
    SELECT ledger.refuse('the aliases of wallets were indexed by another key',
                         'put the folder `wallets` of the first key folder into this one')
$$;
