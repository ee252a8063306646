-- read_fund_operation(participant_no, key) → (purpose, purse, campaign, coupon)
--
-- Purpose     What a message about a purpose, a purse, a campaign or a coupon made.
-- Parameters  p_participant_no, p_key  whose message, its idempotency key
-- Returns     the one that it made; the others are null
-- Locks       none
-- Tables      reads key_claim, purpose, purse, campaign, coupon
CREATE OR REPLACE FUNCTION ledger.read_fund_operation(
    p_participant_no integer, p_key text, OUT purpose ledger.purpose, OUT purse ledger.purse,
    OUT campaign ledger.campaign, OUT coupon ledger.coupon)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_subject uuid;
BEGIN
    SELECT c.subject INTO STRICT v_subject
      FROM ledger.key_claim c
     WHERE c.participant_no = p_participant_no AND c.key = p_key AND c.operation = 8;
    SELECT * INTO purpose FROM ledger.purpose u WHERE u.id = v_subject;
    SELECT * INTO purse FROM ledger.purse p WHERE p.id = v_subject;
    SELECT * INTO campaign FROM ledger.campaign g WHERE g.id = v_subject;
    SELECT * INTO coupon FROM ledger.coupon c WHERE c.id = v_subject;
END $$;
