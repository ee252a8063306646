-- read_sealed(after, limit) → rows
--
-- Purpose     What is sealed of wallets' holders, to be sealed anew.
-- Parameters  p_after  the wallet after which to go on, null from the start; p_limit  how many
-- Returns     account, sealed_phone, sealed_name, sealed_document, in the order of accounts
-- Locks       none
-- Tables      reads wallet
CREATE OR REPLACE FUNCTION wallets.read_sealed(p_after uuid, p_limit integer)
RETURNS TABLE (account uuid, sealed_phone bytea, sealed_name bytea, sealed_document bytea)
LANGUAGE sql STABLE
AS $$
    SELECT w.account, w.sealed_phone, w.sealed_name, w.sealed_document
      FROM wallets.wallet w
     WHERE w.account > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
     ORDER BY w.account LIMIT p_limit
$$;
