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
    v_currency constant text := ledger.money_account(p_account, p_amount);
    v_outcome  smallint;
BEGIN
    v_outcome := ledger.post_payment(p_payment_id, 101::smallint,
                                     ledger.issuance_account(v_currency), p_account,
                                     p_amount, p_reason, null);
    IF v_outcome IN (80, 90) THEN
        PERFORM ledger.refuse('the account is closed', 'open another one');
    ELSIF v_outcome <> 0 THEN
        PERFORM ledger.refuse('more than 4*10^18 minor units would be in circulation',
                              'issue less');
    END IF;
END $$;
