-- give_purpose(participant_no, key, digest, id, account, …what money is bound to…) → one row
--
-- Purpose     Makes a purpose that money of a funder is bound to, for its signed message, once a
--             key. It never changes afterwards.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what it is called if this message makes it; p_account  the
--             funder's, which gets what is left at the end; p_name … p_not_after  as the columns
-- Returns     disposition  0 made now, 1 made before by the same message, 2 the key was spent on
--             something else, 4 no such account of the participant that can fund (no key spent),
--             5 the key is barred; subject  as claim_subject; purpose  where disposition is 0 or 1
-- Locks       the key claim
-- Tables      as claim_subject; inserts purpose; reads account
CREATE OR REPLACE FUNCTION ledger.give_purpose(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_account uuid, p_name text,
    p_categories text[], p_districts text[], p_weekdays smallint[], p_from_minute smallint,
    p_until_minute smallint, p_not_after timestamptz,
    OUT disposition smallint, OUT subject uuid, OUT purpose ledger.purpose)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
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
        INSERT INTO ledger.purpose
            (id, participant_no, account, currency, name, categories, districts, weekdays,
             from_minute, until_minute, not_after, created_at)
        VALUES (p_id, p_participant_no, p_account, v_currency, p_name, p_categories, p_districts,
                p_weekdays, p_from_minute, p_until_minute, p_not_after, ledger.decision_time());
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT purpose FROM ledger.purpose u WHERE u.id = subject;
    END IF;
END $$;
