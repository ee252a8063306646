-- find_splits(shard, at, type, parent, state, amount) → one row of arrays
--
-- Purpose     Whom a step of a payment credits beside its payee. A capture of a purchase pays the
--             shares of the payee's tariff. What is refunded goes back the way it came, the last
--             drawn first: to the payer up to what he paid himself, then to the purses, the one
--             drawn last before the others, then to the budget of the coupon; where one of those
--             has ended, to its funder, and to the payer where the funder's account is closed.
--             Shares stay where they are.
-- Parameters  p_shard; p_at  the time of the decision; p_type  11 capture, 12 void, 13 refund,
--             103 reversal; p_parent  the payment; p_state  of it, as it is before; p_amount  minor
--             units
-- Returns     net  what the payee is credited; of each part positions (1), accounts, amounts
-- Locks       none
-- Tables      reads draw, purse, purpose, campaign; as find_fees
CREATE OR REPLACE FUNCTION ledger.find_splits(
    p_shard smallint, p_at timestamptz, p_type smallint, p_parent ledger.payment,
    p_state ledger.payment_state, p_amount bigint,
    OUT net bigint, OUT positions integer[], OUT accounts uuid[], OUT amounts bigint[])
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    v_fees record;
    v_back constant bigint := coalesce(p_state.refunded + p_state.refunding, 0);
BEGIN
    net := p_amount;
    IF p_type = 11 AND p_parent.type = 1 THEN
        SELECT * INTO STRICT v_fees
          FROM ledger.find_fees(p_shard, ARRAY[p_parent.type], ARRAY[p_parent.payee],
                                ARRAY[p_amount]);
        net := v_fees.nets[1];
        positions := v_fees.positions;
        accounts := v_fees.accounts;
        amounts := v_fees.amounts;
    ELSIF p_type IN (13, 103) AND p_parent.drawn > 0 THEN
        -- Of the whole payment, laid out from its last part to its first, this is the piece from
        -- what went back before on.
        SELECT array_agg(1), array_agg(b.account), array_agg(b.amount), p_amount - sum(b.amount)
          INTO positions, accounts, amounts, net
          FROM (SELECT c.account, sum(c.amount)::bigint AS amount
                  FROM (SELECT CASE WHEN p.not_after <= p_at THEN u.account
                                    WHEN g.not_after <= p_at THEN g.account
                                    ELSE d.account END AS account,
                               least(d.until, v_back + p_amount)
                                   - greatest(d.until - d.amount, v_back) AS amount
                          FROM (SELECT *, p_parent.amount - p_parent.drawn
                                              + sum(amount) OVER (ORDER BY number DESC) AS until
                                  FROM ledger.draw
                                 WHERE shard = p_shard AND payment = p_parent.id) d
                          LEFT JOIN ledger.purse p ON p.id = d.account
                          LEFT JOIN ledger.purpose u ON u.id = p.purpose
                          LEFT JOIN ledger.campaign g ON g.id = d.account) c
                  JOIN ledger.account a ON a.shard = p_shard AND a.id = c.account
                                       AND a.lifecycle = 'open'
                 WHERE c.amount > 0
                 GROUP BY c.account) b;
        net := coalesce(net, p_amount);
    END IF;
END $$;
