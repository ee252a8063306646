-- bank_credits_max() → integer
--
-- Purpose   How many payments and refunds may wait until one bank has accepted them, which it may
--           not do for hours; one batch of payments more. Counted once a batch and a bank: at this
--           number in about 2 ms.
-- Returns   payments
-- Locks     none
-- Tables    none
CREATE OR REPLACE FUNCTION ledger.bank_credits_max() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 5000 $$;
