-- resolve_aliases(kind, blind_indexes[], currency, fingerprint) → (place, account, sealed_name)…
--
-- Purpose     The wallets that aliases name, for whoever wants to pay them.
-- Parameters  p_kind  of alias; p_blind_index  their keyed hashes; p_currency;
--             p_fingerprint  of the key of the indexes
-- Returns     a row each, place  of the alias in the array, from 1; none for an alias that names no
--             wallet that is open; sealed_name may be null; SW001 when the indexes were made by
--             another key
-- Locks       none
-- Tables      reads index_key, alias, wallet, account
CREATE OR REPLACE FUNCTION wallets.resolve_aliases(
    p_kind text, p_blind_index bytea[], p_currency text, p_fingerprint bytea)
RETURNS TABLE (place bigint, account uuid, sealed_name bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM wallets.index_key k WHERE k.fingerprint <> p_fingerprint) THEN
        PERFORM wallets.refuse_index_key();
    END IF;
    RETURN QUERY
    SELECT m.place, w.account, w.sealed_name
      FROM unnest(p_blind_index) WITH ORDINALITY AS m (blind_index, place)
      JOIN wallets.alias i ON i.kind = p_kind AND i.blind_index = m.blind_index
                              AND i.currency = p_currency
      JOIN wallets.wallet w ON w.account = i.account
      JOIN ledger.account a ON a.shard = 0 AND a.id = w.account AND a.lifecycle = 'open';
END $$;
