-- finish_closing(limit) → integer
--
-- Purpose     The second step of closing: closes accounts that nothing can reach any more. A
--             payment that read the account as open had its transaction id by then, so once every
--             transaction older than the first sight of the closing has ended, no credit can come.
-- Parameters  p_limit  how many accounts to look at; those with money in them, which wait to be
--             emptied, stand in nobody's way
-- Returns     how many were closed
-- Locks       the accounts, in id order, those that are free
-- Tables      updates account; through fold_accounts inserts fold, deletes unfolded_credit
CREATE OR REPLACE FUNCTION ledger.finish_closing(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_ready  uuid[];
    v_closed integer;
BEGIN
    -- An id from beyond the present ones was written before a dump and restore: seen anew.
    UPDATE ledger.account SET closing_seen = pg_snapshot_xmax(pg_current_snapshot())
     WHERE id IN (SELECT id FROM ledger.account
                   WHERE lifecycle = 'closing'
                     AND (closing_seen IS NULL
                          OR closing_seen > pg_snapshot_xmax(pg_current_snapshot()))
                   ORDER BY id LIMIT p_limit
                     FOR NO KEY UPDATE SKIP LOCKED);
    SELECT array_agg(a.id) INTO v_ready
      FROM (SELECT id FROM ledger.account a
             WHERE lifecycle = 'closing' AND closing_seen <= pg_snapshot_xmin(pg_current_snapshot())
               AND held = 0
               AND NOT EXISTS (SELECT FROM ledger.pending_payment w WHERE w.taker = a.id)
               AND (balance = 0 OR EXISTS (SELECT FROM ledger.unfolded_credit c
                                            WHERE c.shard = a.shard AND c.payee = a.id))
             ORDER BY id LIMIT p_limit
               FOR NO KEY UPDATE SKIP LOCKED) a;
    IF v_ready IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM ledger.fold_accounts(0::smallint, v_ready, ledger.fold_call_max());
    UPDATE ledger.account SET lifecycle = 'closed'
     WHERE shard = 0 AND id = ANY (v_ready) AND balance = 0 AND held = 0
       AND NOT EXISTS (SELECT FROM ledger.unfolded_credit c
                        WHERE c.shard = account.shard AND c.payee = account.id);
    GET DIAGNOSTICS v_closed = ROW_COUNT;
    RETURN v_closed;
END $$;
