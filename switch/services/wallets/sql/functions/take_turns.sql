-- take_turns(account)
--
-- Purpose     Lets one transaction at a time change what is known of a wallet's holder.
-- Parameters  p_account
-- Returns     nothing
-- Locks       the wallet, by an advisory lock until the transaction ends; before the key claim
-- Tables      none
CREATE OR REPLACE FUNCTION wallets.take_turns(p_account uuid) RETURNS void
LANGUAGE sql
AS $$ SELECT pg_advisory_xact_lock(hashtextextended('wallet ' || p_account::text, 0)) $$;
