-- check_index_key(fingerprint)
--
-- Purpose     Remembers by which key the indexes of aliases are made, and refuses any other.
-- Parameters  p_fingerprint  32 bytes that say nothing about the key
-- Returns     nothing; SW001 when the indexes were made by another key
-- Locks       the one row, when it is made
-- Tables      inserts and reads index_key
CREATE OR REPLACE FUNCTION wallets.check_index_key(p_fingerprint bytea) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (SELECT FROM wallets.index_key WHERE fingerprint = p_fingerprint) THEN
        RETURN;
    END IF;
    INSERT INTO wallets.index_key (fingerprint) VALUES (p_fingerprint) ON CONFLICT DO NOTHING;
    IF NOT EXISTS (SELECT FROM wallets.index_key WHERE fingerprint = p_fingerprint) THEN
        PERFORM wallets.refuse_index_key();
    END IF;
END $$;
