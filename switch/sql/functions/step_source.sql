-- step_source(shard, parent, type) → uuid
--
-- Purpose     The account that a step debits or releases: that of whoever was paid for a refund,
--             else the one that keeps the hold. A bank's position stands in for its customer's.
-- Parameters  p_shard; p_parent  the payment; p_type  11 capture, 12 void, 13 refund
-- Returns     its id, null when the bank has no open position
-- Locks       none
-- Tables      reads account, payment_state
CREATE OR REPLACE FUNCTION ledger.step_source(
    p_shard smallint, p_parent ledger.payment, p_type smallint) RETURNS uuid
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN p_type = 13
                THEN (SELECT ledger.bank_position(p_shard, a) FROM ledger.account a
                       WHERE a.shard = p_shard AND a.id = p_parent.payee)
                ELSE coalesce((SELECT s.payer FROM ledger.payment_state s
                                WHERE s.shard = p_shard AND s.payment = p_parent.id),
                              p_parent.payer) END
$$;
