-- sweep_funds(ids[]) → integer
--
-- Purpose     Gives back to their funders what is left in purses and campaigns whose time has
--             passed: long enough ago that nothing decided before can still come to them. Where the
--             funder's account is closed, the money stays.
-- Parameters  p_ids  the ids that the payments get, so at most as many funds as these
-- Returns     how many funds were looked at; fewer than p_ids only if no more are due
-- Locks       the funds, those that are free, and their unfolded credits
-- Tables      updates purse, campaign, account; inserts key_claim, payment, unfolded_credit,
--             outbox; through fold_accounts inserts fold, deletes unfolded_credit
CREATE OR REPLACE FUNCTION ledger.sweep_funds(p_ids uuid[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_fund  record;
    v_at    timestamptz;
    v_left  ledger.account;
    v_count integer := 0;
BEGIN
    FOR v_fund IN
        SELECT f.* FROM (
            SELECT p.id, u.account AS funder
              FROM ledger.purse p JOIN ledger.purpose u ON u.id = p.purpose
             WHERE p.swept_at IS NULL
               AND p.not_after <= ledger.decision_time() - interval '5 minutes'
             UNION ALL
            SELECT g.id, g.account FROM ledger.campaign g
             WHERE g.swept_at IS NULL
               AND g.not_after <= ledger.decision_time() - interval '5 minutes') f
          JOIN ledger.account a ON a.shard = 0 AND a.id = f.funder AND a.lifecycle = 'open'
         LIMIT cardinality(p_ids)
    LOOP
        v_count := v_count + 1;
        PERFORM FROM ledger.account WHERE shard = 0 AND id = v_fund.id
            FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        v_at := ledger.decision_time();
        PERFORM ledger.fold_accounts(0::smallint, ARRAY[v_fund.id], ledger.fold_call_max(), v_at);
        CONTINUE WHEN EXISTS (SELECT FROM ledger.unfolded_credit
                               WHERE shard = 0 AND payee = v_fund.id);
        SELECT * INTO STRICT v_left FROM ledger.account WHERE shard = 0 AND id = v_fund.id;
        IF v_left.balance > 0 THEN
            INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)
            VALUES (0, 1, p_ids[v_count], sha256(convert_to(p_ids[v_count]::text, 'UTF8')),
                    p_ids[v_count]::text);
            INSERT INTO ledger.payment
                (created_at, amount, payer_posting_no, payer_balance_after, participant_no, type,
                 outcome, id, payer, payee, currency, key)
            VALUES (v_at, v_left.balance, v_left.posting_count + 1, 0, 0, 104, 0, p_ids[v_count],
                    v_fund.id, v_fund.funder, v_left.currency, p_ids[v_count]::text);
            UPDATE ledger.account SET balance = 0, posting_count = posting_count + 1
             WHERE shard = 0 AND id = v_fund.id;
            INSERT INTO ledger.unfolded_credit (payee, transfer_id, amount)
            VALUES (v_fund.funder, p_ids[v_count], v_left.balance);
            INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
            SELECT v_at, 1, ARRAY[p_ids[v_count]], ARRAY[v_left.participant_no],
                   ARRAY[f.participant_no]
              FROM ledger.account f WHERE f.shard = 0 AND f.id = v_fund.funder;
        END IF;
        UPDATE ledger.purse SET swept_at = v_at WHERE id = v_fund.id;
        UPDATE ledger.campaign SET swept_at = v_at WHERE id = v_fund.id;
    END LOOP;
    RETURN v_count;
END $$;
