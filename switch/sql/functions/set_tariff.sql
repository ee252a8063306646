-- set_tariff(name, currency, accounts[], parts_per_million[], fixed[], share_min[], share_max[])
--
-- Purpose     Makes a tariff or changes it as a whole; counts from the next decision on.
-- Parameters  of each share: p_accounts  of kind fee and of this currency, without a limit of their
--             balance; p_parts_per_million of the amount, p_fixed  minor units on top, p_share_min,
--             p_share_max  minor units, the last null for none
-- Returns     nothing; SW001 when the name, an account or a share cannot be
-- Locks       the tariff
-- Tables      inserts tariff; deletes and inserts tariff_share; reads account, tier
CREATE OR REPLACE FUNCTION ledger.set_tariff(
    p_name text, p_currency text, p_accounts uuid[], p_parts_per_million integer[],
    p_fixed bigint[], p_share_min bigint[], p_share_max bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_wrong uuid;
BEGIN
    IF p_name !~ '^[a-z0-9][a-z0-9-]{0,31}$' THEN
        PERFORM ledger.refuse(format('"%s" is no tariff name', p_name),
                              'use up to 32 of a-z, 0-9 and "-"');
    END IF;
    SELECT s.account INTO v_wrong
      FROM unnest(p_accounts) AS s (account)
     WHERE NOT EXISTS (SELECT FROM ledger.account a
                         LEFT JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency
                        WHERE a.shard = 0 AND a.id = s.account AND a.kind = 'fee'
                          AND a.currency = p_currency AND a.lifecycle = 'open'
                          AND t.balance_limit IS NULL);
    IF FOUND THEN
        PERFORM ledger.refuse(format('%s is no open fee account in %s', v_wrong, p_currency),
                              'open one with `switch account open --kind fee`');
    ELSIF (SELECT count(DISTINCT account) FROM unnest(p_accounts) AS account)
          < cardinality(p_accounts) THEN
        PERFORM ledger.refuse('an account has two shares', 'add them up');
    ELSIF EXISTS (SELECT FROM unnest(p_parts_per_million, p_fixed, p_share_min, p_share_max)
                              AS s (parts, fixed, share_min, share_max)
                   WHERE s.parts NOT BETWEEN 0 AND 1000000 OR s.fixed < 0 OR s.share_min < 0
                      OR s.share_max < s.share_min) THEN
        PERFORM ledger.refuse('a share is negative, more than all, or its bounds are crossed',
                              'give up to 1000000 parts per million, and bounds from low to high');
    END IF;
    INSERT INTO ledger.tariff (name, currency) VALUES (p_name, p_currency) ON CONFLICT DO NOTHING;
    PERFORM FROM ledger.tariff WHERE name = p_name AND currency = p_currency FOR UPDATE;
    DELETE FROM ledger.tariff_share WHERE tariff = p_name AND currency = p_currency;
    INSERT INTO ledger.tariff_share (tariff, currency, number, account, parts_per_million, fixed,
                                     share_min, share_max)
    SELECT p_name, p_currency, s.number, s.account, s.parts, s.fixed, s.share_min, s.share_max
      FROM unnest(p_accounts, p_parts_per_million, p_fixed, p_share_min, p_share_max)
           WITH ORDINALITY AS s (account, parts, fixed, share_min, share_max, number);
END $$;
