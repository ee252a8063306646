-- give_campaign(participant_no, key, digest, id, account, …the discount…) → one row
--
-- Purpose     Makes a campaign and the account that its budget is paid into, for its funder's
--             signed message, once a key. It never changes afterwards; freezing its account stops
--             it.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what it and its account are called if this message makes
--             them; p_account  the funder's, which gets what is left at the end; p_name …
--             p_not_after  as the columns
-- Returns     disposition  0 made now, 1 made before by the same message, 2 the key was spent on
--             something else, 4 no such account of the participant that can fund (no key spent),
--             5 the key is barred; subject  as claim_subject; campaign  where disposition is 0
--             or 1
-- Locks       the key claim
-- Tables      as claim_subject; inserts account, campaign
CREATE OR REPLACE FUNCTION ledger.give_campaign(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_account uuid, p_name text,
    p_discount bigint, p_parts_per_million integer, p_discount_max bigint, p_amount_min bigint,
    p_uses_max smallint, p_coupons_max integer, p_categories text[], p_districts text[],
    p_not_before timestamptz, p_not_after timestamptz,
    OUT disposition smallint, OUT subject uuid, OUT campaign ledger.campaign)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_now      constant timestamptz := ledger.decision_time();
    v_currency text;
BEGIN
    SELECT currency INTO v_currency FROM ledger.account
     WHERE shard = 0 AND id = p_account AND participant_no = p_participant_no
       AND kind IN ('wallet', 'merchant', 'government')
       AND (lifecycle = 'open' OR ledger.is_spent(p_participant_no, p_key));
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 8::smallint);
    IF disposition = 0 THEN
        INSERT INTO ledger.account (participant_no, id, kind, currency, created_at)
        VALUES (p_participant_no, p_id, 'campaign', v_currency, v_now);
        INSERT INTO ledger.campaign
            (id, participant_no, account, currency, name, discount, parts_per_million, discount_max,
             amount_min, uses_max, coupons_max, categories, districts, not_before, not_after,
             created_at)
        VALUES (p_id, p_participant_no, p_account, v_currency, p_name, p_discount,
                p_parts_per_million, p_discount_max, p_amount_min, p_uses_max, p_coupons_max,
                p_categories, p_districts, coalesce(p_not_before, v_now), p_not_after, v_now);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT campaign FROM ledger.campaign g WHERE g.id = subject;
    END IF;
END $$;
