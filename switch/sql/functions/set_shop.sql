-- set_shop(account, category, district)
--
-- Purpose     Says where an account trades, for purposes and campaigns; counts from the next
--             decision on.
-- Parameters  p_account  of kind merchant or government; p_category  four digits (ISO 18245);
--             p_district; each null for unknown
-- Returns     nothing; SW001 when there is no such account, or the category is none
-- Locks       the row
-- Tables      inserts or updates shop; reads account
CREATE OR REPLACE FUNCTION ledger.set_shop(p_account uuid, p_category text, p_district text)
    RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.operator_read_account(p_account) a
                    WHERE a.kind IN ('merchant', 'government')) THEN
        PERFORM ledger.refuse('only who sells something is a shop',
                              'name an account of kind merchant or government');
    ELSIF p_category !~ '^[0-9]{4}$' THEN
        PERFORM ledger.refuse(format('"%s" is no category of merchants', p_category),
                              'give the four digits of ISO 18245');
    END IF;
    INSERT INTO ledger.shop (account, category, district)
    VALUES (p_account, p_category, p_district)
        ON CONFLICT (account) DO UPDATE
       SET category = excluded.category, district = excluded.district;
END $$;
