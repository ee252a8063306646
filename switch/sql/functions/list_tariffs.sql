-- list_tariffs() → rows
--
-- Purpose     Every tariff, a row a share.
-- Returns     name, currency, account, parts_per_million, fixed, share_min, share_max (these null
--             for a tariff without shares), and accounts  how many are paid by it
-- Locks       none
-- Tables      reads tariff, tariff_share, account
CREATE OR REPLACE FUNCTION ledger.list_tariffs()
RETURNS TABLE (name text, currency text, account uuid, parts_per_million integer, fixed bigint,
               share_min bigint, share_max bigint, accounts bigint)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp
AS $$
    SELECT t.name, t.currency, s.account, s.parts_per_million, s.fixed, s.share_min, s.share_max,
           (SELECT count(*) FROM ledger.account a
             WHERE a.tariff = t.name AND a.currency = t.currency)
      FROM ledger.tariff t
      LEFT JOIN ledger.tariff_share s ON s.tariff = t.name AND s.currency = t.currency
     ORDER BY t.name, t.currency, s.number
$$;
