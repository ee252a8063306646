-- read_fund(id) → (purpose, campaign)
--
-- Purpose     A purpose or a campaign: any participant may know what is on offer.
-- Parameters  p_id  which
-- Returns     the one that it is, the other null; both null where there is none
-- Locks       none
-- Tables      reads purpose, campaign
CREATE OR REPLACE FUNCTION ledger.read_fund(
    p_id uuid, OUT purpose ledger.purpose, OUT campaign ledger.campaign)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
BEGIN
    SELECT * INTO purpose FROM ledger.purpose u WHERE u.id = p_id;
    SELECT * INTO campaign FROM ledger.campaign g WHERE g.id = p_id;
END $$;
