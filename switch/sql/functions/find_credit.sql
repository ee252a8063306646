-- find_credit(shard, account, transfer, at) → (posting_no, item, balance_after, folded_at)
--
-- Purpose     Where a credit stands in its account's statement. An account has a posting of credits
--             a second, so the first one after the decision is found by halving, not by reading.
-- Parameters  p_shard, p_account; p_transfer  the payment or step that was credited; p_at  when it
--             was decided
-- Returns     the posting that added it up, its place in that and the balance then; nothing while
--             it waits
-- Locks       none
-- Tables      reads unfolded_credit, fold
CREATE OR REPLACE FUNCTION ledger.find_credit(
    p_shard smallint, p_account uuid, p_transfer uuid, p_at timestamptz)
RETURNS TABLE (posting_no bigint, item integer, balance_after bigint, folded_at timestamptz)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    v_low  bigint := 1;
    v_high bigint;
    v_half bigint;
BEGIN
    SELECT max(f.posting_no) INTO v_high FROM ledger.fold f
     WHERE f.shard = p_shard AND f.account = p_account;
    IF v_high IS NULL OR EXISTS (SELECT FROM ledger.unfolded_credit u
                                  WHERE u.shard = p_shard AND u.payee = p_account
                                    AND u.transfer_id = p_transfer) THEN
        RETURN;
    END IF;
    WHILE v_low < v_high LOOP
        v_half := (v_low + v_high) / 2;
        IF p_at > (SELECT f.folded_at FROM ledger.fold f
                    WHERE f.shard = p_shard AND f.account = p_account AND f.posting_no >= v_half
                    ORDER BY f.posting_no LIMIT 1) THEN
            v_low := v_half + 1;
        ELSE
            v_high := v_half;
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT f.posting_no, found.item,
               (f.opening_balance
                   + (SELECT sum(a) FROM unnest(f.amounts[:found.item]) AS a))::bigint, f.folded_at
          FROM ledger.fold f
         CROSS JOIN LATERAL array_position(f.transfer_ids, p_transfer) AS found (item)
         WHERE f.shard = p_shard AND f.account = p_account AND f.posting_no >= v_low
           AND found.item IS NOT NULL
         ORDER BY f.posting_no LIMIT 1;
END $$;
