-- resolve_alias(kind, blind_index, currency, fingerprint) → (account, sealed_name)
--
-- Purpose     The wallet that an alias names, for whoever wants to pay it.
-- Parameters  p_kind  of alias; p_blind_index  its keyed hash; p_currency;
--             p_fingerprint  of the key of the indexes
-- Returns     one row, none where it names no wallet that is open; sealed_name may be null;
--             SW001 when the indexes were made by another key
-- Locks       none
-- Tables      reads index_key, alias, wallet, account
CREATE OR REPLACE FUNCTION wallets.resolve_alias(
    p_kind text, p_blind_index bytea, p_currency text, p_fingerprint bytea)
RETURNS TABLE (account uuid, sealed_name bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM wallets.index_key k WHERE k.fingerprint <> p_fingerprint) THEN
        PERFORM wallets.refuse_index_key();
    END IF;
    RETURN QUERY
    SELECT w.account, w.sealed_name
      FROM wallets.alias i
      JOIN wallets.wallet w ON w.account = i.account
      JOIN ledger.account a ON a.shard = 0 AND a.id = w.account AND a.lifecycle = 'open'
     WHERE i.kind = p_kind AND i.blind_index = p_blind_index AND i.currency = p_currency;
END $$;
