-- give_site(participant_no, key, digest, id, account, currency, name, …tariff…) → one row
--
-- Purpose     Makes a car park with its tariff, for its operator's signed message, once a key. It
--             never changes: another tariff is another site.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what it is called if this message makes it; the others as the
--             columns
-- Returns     disposition  0 made now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such account of the participant (no key spent), 5 barred; site
--             where it is 0 or 1
-- Locks       the key claim
-- Tables      as ledger.claim_subject; inserts site; reads account
CREATE OR REPLACE FUNCTION parking.give_site(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_account uuid,
    p_currency text, p_name text, p_free_minutes integer, p_unit_minutes integer,
    p_unit_price bigint, p_day_max bigint, p_hold_amount bigint, p_hold_seconds integer,
    OUT disposition smallint, OUT site parking.site)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = parking, pg_temp
AS $$
DECLARE
    v_subject uuid;
BEGIN
    IF NOT ledger.can_ask(p_participant_no, p_account, p_currency) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO parking.site
            (id, participant_no, account, currency, name, free_minutes, unit_minutes, unit_price,
             day_max, hold_amount, hold_seconds, created_at)
        VALUES (p_id, p_participant_no, p_account, p_currency, p_name, p_free_minutes,
                p_unit_minutes, p_unit_price, p_day_max, p_hold_amount, p_hold_seconds,
                ledger.decision_time());
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT site FROM parking.site s WHERE s.id = v_subject;
    END IF;
END $$;
