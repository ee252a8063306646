-- reseal(account[], phone[], name[], document[], new_phone[], new_name[], new_document[]) → integer
--
-- Purpose     Puts values that were sealed anew in the place of those they were made from. Who was
--             forgotten or told more meanwhile keeps what is there.
-- Parameters  one element a wallet: p_account; p_phone, p_name, p_document  as they were read;
--             p_new_…  what stands there afterwards
-- Returns     how many wallets were changed
-- Locks       the wallets
-- Tables      updates wallet
CREATE OR REPLACE FUNCTION wallets.reseal(
    p_account uuid[], p_phone bytea[], p_name bytea[], p_document bytea[], p_new_phone bytea[],
    p_new_name bytea[], p_new_document bytea[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    v_count integer;
BEGIN
    UPDATE wallets.wallet w
       SET sealed_phone = u.new_phone, sealed_name = u.new_name, sealed_document = u.new_document
      FROM unnest(p_account, p_phone, p_name, p_document, p_new_phone, p_new_name, p_new_document)
           AS u (account, phone, name, document, new_phone, new_name, new_document)
     WHERE w.account = u.account
       AND (w.sealed_phone, w.sealed_name, w.sealed_document)
           IS NOT DISTINCT FROM (u.phone, u.name, u.document);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END $$;
