-- issuance_account(currency) → account id
--
-- Purpose     The account whose negative balance is the money in circulation; made when first
--             needed. Its floor keeps every sum of a currency within bigint.
-- Parameters  p_currency  ISO 4217
-- Returns     its id
-- Locks       the new row
-- Tables      inserts and reads account
CREATE OR REPLACE FUNCTION ledger.issuance_account(p_currency text) RETURNS uuid
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ledger.account (participant_no, id, kind, currency, floor, created_at)
    VALUES (0, gen_random_uuid(), 'issuance', p_currency, -4000000000000000000,
            ledger.decision_time())
        ON CONFLICT (currency) WHERE kind = 'issuance' DO NOTHING;
    RETURN (SELECT id FROM ledger.account WHERE kind = 'issuance' AND currency = p_currency);
END $$;
