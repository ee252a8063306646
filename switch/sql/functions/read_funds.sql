-- read_funds(participant_no, account, coupons, after, limit) → rows
--
-- Purpose     The purses and coupons of a wallet, for its provider.
-- Parameters  p_participant_no  who asks; p_account  a wallet of his; p_coupons  whether its
--             coupons or its purses; p_after  only ids after this one; p_limit  how many
-- Returns     one row each, in id order: a purse with its purpose and balance, or a coupon, its
--             uses within, with its campaign
-- Locks       none
-- Tables      reads account_now, purse, purpose, coupon, campaign
CREATE OR REPLACE FUNCTION ledger.read_funds(
    p_participant_no integer, p_account uuid, p_coupons boolean, p_after uuid, p_limit integer)
RETURNS TABLE (purse ledger.purse, purpose ledger.purpose, balance bigint,
               coupon ledger.coupon, campaign ledger.campaign)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_after constant uuid := coalesce(p_after, '00000000-0000-0000-0000-000000000000');
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.account WHERE shard = 0 AND id = p_account
                      AND participant_no = p_participant_no) THEN
        RETURN;
    ELSIF p_coupons THEN
        RETURN QUERY
            SELECT null::ledger.purse, null::ledger.purpose, null::bigint, c, g
              FROM ledger.coupon c JOIN ledger.campaign g ON g.id = c.campaign
             WHERE c.account = p_account AND c.id > v_after
             ORDER BY c.id LIMIT p_limit;
    ELSE
        RETURN QUERY
            SELECT p, u, a.balance::bigint, null::ledger.coupon, null::ledger.campaign
              FROM ledger.purse p
              JOIN ledger.purpose u ON u.id = p.purpose
              JOIN ledger.account_now a ON a.shard = 0 AND a.id = p.id
             WHERE p.wallet = p_account AND p.id > v_after
             ORDER BY p.id LIMIT p_limit;
    END IF;
END $$;
