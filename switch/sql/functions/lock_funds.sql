-- lock_funds(shard, wallets[], payers[], coupons[], payees[]) → uuid[]
--
-- Purpose     Locks the accounts that may pay a part of purchases beside the payers' own: the
--             purses of wallets and the budgets of the campaigns of coupons. They come after all
--             other accounts; whoever locks one locks no account of another kind after it.
-- Parameters  p_shard; p_wallets  accounts that have purses, p_payers  all, locked by this
--             transaction; p_coupons  that messages name: only those of p_payers lock anything;
--             p_payees  purses and budgets that are paid into: who pays out of them has to see it
-- Returns     the locked accounts, in order of their ids, null for none; of purses not those that
--             were swept
-- Locks       accounts of kind purse and campaign in id order, FOR NO KEY UPDATE
-- Tables      reads purse, coupon, account
CREATE OR REPLACE FUNCTION ledger.lock_funds(
    p_shard smallint, p_wallets uuid[], p_payers uuid[], p_coupons uuid[],
    p_payees uuid[]) RETURNS uuid[]
LANGUAGE sql
AS $$
    SELECT array_agg(a.id)
      FROM (SELECT id FROM ledger.account
             WHERE shard = p_shard
               AND id = ANY (ARRAY(SELECT p.id FROM ledger.purse p
                                    WHERE p.wallet = ANY (p_wallets) AND p.swept_at IS NULL
                                    UNION ALL
                                   SELECT c.campaign FROM ledger.coupon c
                                    WHERE c.id = ANY (p_coupons)
                                      AND c.account = ANY (p_payers)
                                    UNION ALL
                                   SELECT unnest(p_payees)))
               AND kind IN ('purse', 'campaign')
             ORDER BY id
               FOR NO KEY UPDATE) a
$$;
