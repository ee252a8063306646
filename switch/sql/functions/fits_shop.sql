-- fits_shop(account, categories[], districts[]) → boolean
--
-- Purpose     Whether a merchant's account trades in one of these categories and districts.
-- Parameters  p_account; p_categories, p_districts  null for any
-- Returns     false too where it must trade somewhere and nothing is known of it
-- Locks       none
-- Tables      reads shop
CREATE OR REPLACE FUNCTION ledger.fits_shop(
    p_account uuid, p_categories text[], p_districts text[]) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT p_categories IS NULL AND p_districts IS NULL
        OR EXISTS (SELECT FROM ledger.shop s
                    WHERE s.account = p_account
                      AND (p_categories IS NULL OR s.category = ANY (p_categories))
                      AND (p_districts IS NULL OR s.district = ANY (p_districts)))
$$;
