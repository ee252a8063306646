-- expire_holds(shard, limit) → number of holds
--
-- Purpose     Posts what time has done already: holds past it are expired. Safe to run twice at
--             once: an account that somebody else holds is left for the next time.
-- Parameters  p_shard; p_limit  how many holds to look at
-- Returns     how many were posted
-- Locks       the payers' accounts in id order (those that are free), then the payments' states
-- Tables      updates payment_state, account
CREATE OR REPLACE FUNCTION ledger.expire_holds(p_shard smallint, p_limit integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_payers uuid[];
    v_now    constant timestamptz := ledger.decision_time();
BEGIN
    v_payers := ARRAY(SELECT DISTINCT s.payer
                        FROM (SELECT payer FROM ledger.payment_state
                               WHERE hold_expires_at <= v_now
                                 AND captured + voided + expired < amount
                               ORDER BY hold_expires_at LIMIT p_limit) s);
    v_payers := ARRAY(SELECT id FROM ledger.account
                       WHERE shard = p_shard AND id = ANY (v_payers)
                       ORDER BY id
                         FOR NO KEY UPDATE SKIP LOCKED);
    RETURN ledger.release_expired(p_shard, v_payers, ledger.decision_time());
END $$;
