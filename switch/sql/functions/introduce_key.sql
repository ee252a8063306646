-- introduce_key(participant_no, key, digest, id, introducer, name, public_key, not_before,
--               not_after, keys_max) → one row
--
-- Purpose     Adds a key of a participant for its message, once an idempotency key: the only way
--             in which the workers add one. The key that signed the message is looked at here once
--             more, with the validity, so nobody with the workers' login adds a key by less than
--             naming a valid one of the same participant.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  of the operation; p_introducer  the name of the key that
--             signed it; p_name, p_public_key  the new key (32 bytes, Ed25519); p_not_before,
--             p_not_after  null for now and for the longest validity; p_keys_max  how many keys
--             that are not at their end a participant has at most
-- Returns     disposition  0 introduced now, 1 introduced before by the same message, 2 the
--             idempotency key was spent on something else, 5 it is barred, null when this is
--             refused
--             refusal      why nothing was done and no idempotency key spent: suspended,
--             introducer_not_valid, name_taken, never_valid, too_long, too_many,
--             public_key_taken; else null
--             introduced   the key as it was made, where disposition is 0 or 1
--             days_max     the operator's maximum
-- Locks       the participant, the key claim, participants_version
-- Tables      inserts key_claim, participant_key, key_operation; reads participant, setting,
--             switch_key
CREATE OR REPLACE FUNCTION ledger.introduce_key(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_introducer text,
    p_name text, p_public_key bytea, p_not_before timestamptz, p_not_after timestamptz,
    p_keys_max integer,
    OUT disposition smallint, OUT refusal text, OUT introduced ledger.participant_key,
    OUT days_max integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_status text;
    v_now    timestamptz;
    v_claim  record;
BEGIN
    days_max := ledger.key_validity_days_max();
    -- Whoever changes keys of a participant holds its row, so nothing below can change meanwhile.
    SELECT status INTO STRICT v_status FROM ledger.participant
     WHERE participant_no = p_participant_no FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM ledger.key_claim WHERE participant_no = p_participant_no AND key = p_key)
        THEN
        SELECT * INTO STRICT v_claim
          FROM ledger.claim_key_operation(p_participant_no, p_key, p_digest, p_id);
        disposition := v_claim.disposition;
        IF disposition = 1 THEN
            SELECT k.* INTO STRICT introduced FROM ledger.participant_key k
             WHERE k.participant_no = p_participant_no AND k.name = (v_claim.operation).name;
        END IF;
        RETURN;
    END IF;
    v_now := ledger.decision_time();
    p_not_before := coalesce(p_not_before, v_now);
    p_not_after := coalesce(p_not_after, v_now + make_interval(hours => 24 * days_max));
    refusal := CASE
        WHEN v_status <> 'active' THEN 'suspended'
        WHEN NOT EXISTS (SELECT FROM ledger.participant_key
                          WHERE participant_no = p_participant_no AND name = p_introducer
                            AND revoked_at IS NULL AND not_before <= v_now AND v_now < not_after)
            THEN 'introducer_not_valid'
        WHEN EXISTS (SELECT FROM ledger.participant_key
                      WHERE participant_no = p_participant_no AND name = p_name) THEN 'name_taken'
        WHEN p_not_after <= greatest(p_not_before, v_now) THEN 'never_valid'
        WHEN p_not_after > v_now + make_interval(hours => 24 * days_max) THEN 'too_long'
        WHEN (SELECT count(*) FROM ledger.participant_key
               WHERE participant_no = p_participant_no AND revoked_at IS NULL
                 AND not_after > v_now) >= p_keys_max THEN 'too_many'
        WHEN EXISTS (SELECT FROM ledger.switch_key WHERE public_key = p_public_key)
            THEN 'public_key_taken' END;
    IF refusal IS NOT NULL THEN
        RETURN;
    END IF;
    BEGIN
        SELECT * INTO STRICT v_claim
          FROM ledger.claim_key_operation(p_participant_no, p_key, p_digest, p_id);
        disposition := v_claim.disposition;
        IF disposition <> 0 THEN
            RETURN;  -- the key was spent on something else this very moment
        END IF;
        INSERT INTO ledger.participant_key
            (participant_no, name, public_key, not_before, not_after, created_at, introduced_by)
        VALUES (p_participant_no, p_name, p_public_key, p_not_before, p_not_after, v_now,
                p_introducer)
        RETURNING * INTO introduced;
    EXCEPTION WHEN unique_violation THEN  -- which undoes the claim
        disposition := NULL;
        refusal := 'public_key_taken';
        RETURN;
    END;
    INSERT INTO ledger.key_operation (id, participant_no, name, operation, revoked, decided_at)
    VALUES (p_id, p_participant_no, p_name, 'introduce', '{}', v_now);
    PERFORM ledger.touch_participants();
END $$;
