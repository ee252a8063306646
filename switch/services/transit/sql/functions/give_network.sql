-- give_network(participant_no, key, digest, id, account, currency, name, …rules…) → one row
--
-- Purpose     Makes a network whose fares are paid to an account of its operator, for its signed
--             message, once a key.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  what it is called if this message makes it; the others as the
--             columns
-- Returns     disposition  0 made now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such account of the participant (no key spent), 5 barred;
--             network  where it is 0 or 1
-- Locks       the key claim
-- Tables      as ledger.claim_subject; inserts network; reads account
CREATE OR REPLACE FUNCTION transit.give_network(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_account uuid,
    p_currency text, p_name text, p_day_begins time, p_settle_minutes integer,
    p_liability_max bigint, OUT disposition smallint, OUT network transit.network)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
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
        INSERT INTO transit.network
            (id, participant_no, account, currency, name, day_begins, settle_minutes,
             liability_max, created_at)
        VALUES (p_id, p_participant_no, p_account, p_currency, p_name, p_day_begins,
                p_settle_minutes, p_liability_max, ledger.decision_time());
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT network FROM transit.network n WHERE n.id = v_subject;
    END IF;
END $$;
