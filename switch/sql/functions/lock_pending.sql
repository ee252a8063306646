-- lock_pending(ids[]) → pending payments
--
-- Purpose     Locks payments that wait for a bank, and the accounts that their decisions change.
-- Parameters  p_ids
-- Returns     those that still wait and are begun, in id order
-- Locks       the pending payments in id order; then the accounts in id order; then, of refunds,
--             the states of their payments in id order
-- Tables      reads pending_payment, account, tier, payment_state
CREATE OR REPLACE FUNCTION ledger.lock_pending(p_ids uuid[]) RETURNS SETOF ledger.pending_payment
LANGUAGE plpgsql
AS $$
DECLARE
    v_pending constant ledger.pending_payment[] :=
        ARRAY(SELECT w FROM ledger.pending_payment w
               WHERE shard = 0 AND id = ANY (p_ids) AND stage > 0
               ORDER BY id FOR UPDATE);
BEGIN
    PERFORM FROM ledger.account
      WHERE shard = 0 AND id IN (
            SELECT w.keeper FROM unnest(v_pending) w
             UNION
            SELECT a.id FROM unnest(v_pending) w
              JOIN ledger.account a ON a.shard = w.shard AND a.id = w.payee
              JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency
             WHERE t.balance_limit IS NOT NULL)
      ORDER BY id FOR NO KEY UPDATE;
    PERFORM FROM ledger.payment_state
      WHERE shard = 0 AND payment IN (SELECT w.parent FROM unnest(v_pending) w)
      ORDER BY payment FOR NO KEY UPDATE;
    RETURN QUERY SELECT * FROM unnest(v_pending) w ORDER BY w.id;
END $$;
