-- find_fees(shard, types[], payees[], amounts[]) → one row of arrays
--
-- Purpose     What is kept of purchases by the tariffs of their payees. A share is rounded half up
--             to a minor unit, plus its fixed amount, within its bounds; where all of them are more
--             than the amount, the last are cut. The share of an account that is
--             closed is the payee's.
-- Parameters  p_shard; p_type  ledger.payment_type.code; p_payee; p_amount  minor units
-- Returns     nets  of each message, what its payee is credited; and of each share positions (which
--             message), accounts, amounts; these three are null where nothing is kept
-- Locks       none
-- Tables      reads account, tariff_share
CREATE OR REPLACE FUNCTION ledger.find_fees(
    p_shard smallint, p_type smallint[], p_payee uuid[], p_amount bigint[],
    OUT nets bigint[], OUT positions integer[], OUT accounts uuid[], OUT amounts bigint[])
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    SELECT array_agg(f.position::integer), array_agg(f.account), array_agg(f.share)
      INTO positions, accounts, amounts
      FROM (SELECT c.position, c.account,
                   (least(c.amount, c.so_far) - least(c.amount, c.so_far - c.share))::bigint
                       AS share
              FROM (SELECT s.*, sum(s.share) OVER (PARTITION BY s.position ORDER BY s.number)
                            AS so_far
                      FROM (SELECT m.position, m.amount, t.number, t.account,
                                   least(greatest(m.amount / 1000000 * t.parts_per_million
                                                  + (m.amount % 1000000 * t.parts_per_million
                                                     + 500000) / 1000000
                                                  + t.fixed, t.share_min), t.share_max) AS share
                              FROM unnest(p_type, p_payee, p_amount) WITH ORDINALITY
                                   AS m (type, payee, amount, position)
                              JOIN ledger.account b ON b.shard = p_shard AND b.id = m.payee
                              JOIN ledger.tariff_share t
                                   ON t.tariff = b.tariff AND t.currency = b.currency
                              JOIN ledger.account f ON f.shard = p_shard AND f.id = t.account
                                                   AND f.lifecycle = 'open'
                             WHERE m.type = 1) s) c) f
     WHERE f.share > 0;
    nets := p_amount;
    FOR i IN 1 .. coalesce(cardinality(positions), 0) LOOP
        nets[positions[i]] := nets[positions[i]] - amounts[i];
    END LOOP;
END $$;
