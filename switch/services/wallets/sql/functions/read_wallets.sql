-- read_wallets(participant_no, account, after, limit) → rows
--
-- Purpose     A provider's own wallets, in the order they were registered, without anything of the
--             persons.
-- Parameters  p_participant_no; p_account  of one, null for all; p_after  the wallet after which to
--             go on, null from the start; p_limit  how many
-- Returns     account, tier, status, created_at; has_phone, has_name, has_document,
--             checked_in_person  what is known of the holder; forgotten_at  null while the holder
--             is not forgotten
-- Locks       none
-- Tables      reads wallet, account_now
CREATE OR REPLACE FUNCTION wallets.read_wallets(
    p_participant_no integer, p_account uuid, p_after uuid, p_limit integer)
RETURNS TABLE (account uuid, tier text, status text, created_at timestamptz, has_phone boolean,
               has_name boolean, has_document boolean, checked_in_person boolean,
               forgotten_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
    SELECT w.account, n.tier, n.status, n.created_at, w.sealed_phone IS NOT NULL,
           w.sealed_name IS NOT NULL, w.sealed_document IS NOT NULL, w.checked_in_person,
           w.forgotten_at
      FROM (SELECT * FROM wallets.wallet
             WHERE wallet.account = p_account AND participant_no = p_participant_no
             UNION ALL
           (SELECT * FROM wallets.wallet
             WHERE p_account IS NULL AND participant_no = p_participant_no
               AND wallet.account > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
             ORDER BY wallet.account LIMIT p_limit)) w
     CROSS JOIN LATERAL (SELECT a.* FROM ledger.account_now a
                          WHERE a.shard = 0 AND a.id = w.account OFFSET 0) n
     ORDER BY w.account
$$;
