-- issue_money(payment_id, account, amount, reason)
--
-- Purpose     Puts money into circulation: from the currency's issuance account to an account.
-- Parameters  p_payment_id  the id that the payment gets; p_account; p_amount  minor units;
--             p_reason  for the record
-- Returns     nothing, also for a repeat with the same id, which moves nothing; SW001 when there is
--             no such account, its kind may not, it is closed, funds are short, or the id was
--             spent on something else
-- Locks       as post_payment
-- Tables      as post_payment
CREATE OR REPLACE FUNCTION ledger.issue_money(
    p_payment_id uuid, p_account uuid, p_amount bigint, p_reason text)
RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_account ledger.account_now;
    v_outcome smallint;
BEGIN
    SELECT * INTO STRICT v_account FROM ledger.operator_read_account(p_account);
    IF p_amount NOT BETWEEN 1 AND 1000000000000000 THEN
        PERFORM ledger.refuse(format('%s is no amount', p_amount),
                              'give minor units from 1 to 10^15');
    ELSIF v_account.kind NOT IN ('position', 'wallet', 'merchant', 'government', 'fee') THEN
        PERFORM ledger.refuse(format('an account of kind %s cannot take part in this',
                                     v_account.kind),
                              'name a position, wallet, merchant, government or fee account');
    END IF;
    v_outcome := ledger.post_payment(p_payment_id, 101::smallint,
                                     ledger.issuance_account(v_account.currency), p_account,
                                     p_amount, p_reason, null);
    IF v_outcome IN (80, 90) THEN
        PERFORM ledger.refuse('the account is closed', 'open another one');
    ELSIF v_outcome <> 0 THEN
        PERFORM ledger.refuse('more than 4*10^18 minor units would be in circulation',
                              'issue less');
    END IF;
END $$;
