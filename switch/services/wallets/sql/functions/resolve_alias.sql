-- resolve_alias(kind, blind_index, currency) → (account, sealed_name)
--
-- Purpose     The wallet that an alias names, for whoever wants to pay it.
-- Parameters  p_kind  of alias; p_blind_index  its keyed hash; p_currency
-- Returns     one row, none where it names no wallet that is open; sealed_name may be null
-- Locks       none
-- Tables      reads alias, wallet, account
CREATE OR REPLACE FUNCTION wallets.resolve_alias(
    p_kind text, p_blind_index bytea, p_currency text)
RETURNS TABLE (account uuid, sealed_name bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
    SELECT w.account, w.sealed_name
      FROM wallets.alias i
      JOIN wallets.wallet w ON w.account = i.account
      JOIN ledger.account a ON a.shard = 0 AND a.id = w.account AND a.lifecycle = 'open'
     WHERE i.kind = p_kind AND i.blind_index = p_blind_index AND i.currency = p_currency
$$;
