-- claim_coupon(participant_no, key, digest, id, campaign, account) → one row
--
-- Purpose     Gives a wallet a coupon of a campaign, for its provider's signed message, once a key:
--             whoever comes first, one coupon a wallet; the one that is there where it has one.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what the coupon is called if this message gives it;
--             p_campaign; p_account  a wallet of this participant, of the campaign's currency
-- Returns     disposition  0 given now, 1 by the same message before, 2 the key was spent on
--             something else, 3 all are given, 4 no such wallet, or no campaign of its currency
--             that has not ended (3 and 4 spend no key), 5 the key is barred; subject  as
--             claim_subject; coupon  where disposition is 0 or 1
-- Locks       the campaign, then the key claim
-- Tables      as claim_subject; updates campaign; inserts coupon; reads account
CREATE OR REPLACE FUNCTION ledger.claim_coupon(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_campaign uuid,
    p_account uuid,
    OUT disposition smallint, OUT subject uuid, OUT coupon ledger.coupon)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_campaign ledger.campaign;
    v_id       uuid;
BEGIN
    SELECT g.* INTO v_campaign
      FROM ledger.campaign g
      JOIN ledger.account a ON a.shard = 0 AND a.id = p_account AND a.kind = 'wallet'
                           AND a.participant_no = p_participant_no AND a.currency = g.currency
     WHERE g.id = p_campaign
       AND (g.not_after > ledger.decision_time() OR ledger.is_spent(p_participant_no, p_key))
       FOR NO KEY UPDATE OF g;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    v_id := (SELECT c.id FROM ledger.coupon c
              WHERE c.account = p_account AND c.campaign = p_campaign);
    IF v_id IS NULL AND v_campaign.coupons_given >= v_campaign.coupons_max
       AND NOT ledger.is_spent(p_participant_no, p_key) THEN
        disposition := 3;
        RETURN;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, coalesce(v_id, p_id),
                                8::smallint);
    IF disposition = 0 AND v_id IS NULL THEN
        UPDATE ledger.campaign SET coupons_given = coupons_given + 1 WHERE id = p_campaign;
        INSERT INTO ledger.coupon (id, campaign, account, uses_max, created_at)
        VALUES (p_id, p_campaign, p_account, v_campaign.uses_max, ledger.decision_time());
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT coupon FROM ledger.coupon c WHERE c.id = subject;
    END IF;
END $$;
