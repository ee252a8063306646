-- told_payer(payer, mandate, outcome) → account
--
-- Purpose     The payer as a decision names it: nobody where a payment by a payment code is
--             declined, for whoever presents a code learns whose it is by an approved payment only.
-- Parameters  p_payer; p_mandate  by which it is taken, null for none, of version 8 for a code;
--             p_outcome  ledger.outcome.code
-- Returns     the payer or null
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.told_payer(p_payer uuid, p_mandate uuid, p_outcome smallint)
RETURNS uuid
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN p_mandate IS NULL OR p_outcome = 0 OR substr(p_mandate::text, 15, 1) <> '8'
                THEN p_payer END
$$;
