-- read_wallet(participant_no, account) → one row
--
-- Purpose     A provider's own wallet, without anything of the person.
-- Parameters  p_participant_no, p_account
-- Returns     account, tier, created_at; has_phone, has_name, has_document, checked_in_person  what
--             is known of its holder; forgotten_at  null while the holder is not forgotten; no row
--             where the participant has no such wallet
-- Locks       none
-- Tables      reads wallet, account
CREATE OR REPLACE FUNCTION wallets.read_wallet(p_participant_no integer, p_account uuid)
RETURNS TABLE (account uuid, tier text, created_at timestamptz, has_phone boolean,
               has_name boolean, has_document boolean, checked_in_person boolean,
               forgotten_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = wallets, pg_temp
AS $$
    SELECT w.account, a.tier, a.created_at, w.sealed_phone IS NOT NULL, w.sealed_name IS NOT NULL,
           w.sealed_document IS NOT NULL, w.checked_in_person, w.forgotten_at
      FROM wallets.wallet w
      JOIN ledger.account a ON a.shard = 0 AND a.id = w.account
     WHERE w.account = p_account AND w.participant_no = p_participant_no
$$;
