-- redeem_money(payment_id, account, amount, reason)
--
-- Purpose     Takes money out of circulation: from an account to the currency's issuance account.
-- Parameters  p_payment_id  the id that the payment gets; p_account; p_amount  minor units;
--             p_reason  for the record
-- Returns     nothing, also for a repeat with the same id, which moves nothing; SW001 when there is
--             no such account, its kind may not, it is closed, funds are short, or the id was
--             spent on something else
-- Locks       as post_payment
-- Tables      as post_payment
CREATE OR REPLACE FUNCTION ledger.redeem_money(
    p_payment_id uuid, p_account uuid, p_amount bigint, p_reason text)
RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_currency constant text := ledger.money_account(p_account, p_amount);
    v_outcome  smallint;
BEGIN
    v_outcome := ledger.post_payment(p_payment_id, 102::smallint, p_account,
                                     ledger.issuance_account(v_currency), p_amount,
                                     p_reason, null);
    IF v_outcome IN (80, 90) THEN
        PERFORM ledger.refuse('the account is closed', 'open another one');
    ELSIF v_outcome <> 0 THEN
        PERFORM ledger.refuse('the account does not have that much',
                              'redeem at most what is available: see `switch account show`');
    END IF;
END $$;
