-- revoke_own_key(participant_no, key, digest, id, name, by) → one row
--
-- Purpose     Revokes a key of a participant, and what it introduced, for its message,
--             once an idempotency key.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_id  of the operation; p_name  the key to revoke; p_by  the name
--             of the key that signed the message
-- Returns     disposition  0 done now, 1 done before by the same message, 2 the idempotency key was
--             spent on something else, 4 no such key of this participant (no key spent), 5 it is
--             barred
--             operation    what it came to, null where disposition is 2, 4 or 5
-- Locks       the participant, the key claim, participant_key rows, participants_version
-- Tables      inserts key_claim, key_operation; updates participant_key
CREATE OR REPLACE FUNCTION ledger.revoke_own_key(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_name text, p_by text,
    OUT disposition smallint, OUT operation ledger.key_operation)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_claim record;
    v_now   timestamptz;
BEGIN
    PERFORM FROM ledger.participant WHERE participant_no = p_participant_no FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM ledger.participant_key
                    WHERE participant_no = p_participant_no AND name = p_name) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_claim
      FROM ledger.claim_key_operation(p_participant_no, p_key, p_digest, p_id);
    disposition := v_claim.disposition;
    operation := v_claim.operation;
    IF disposition <> 0 THEN
        RETURN;
    END IF;
    v_now := ledger.decision_time();
    INSERT INTO ledger.key_operation (id, participant_no, name, operation, revoked, decided_at)
    VALUES (p_id, p_participant_no, p_name, 'revoke',
            ledger.revoke_with_introduced(p_participant_no, p_name, p_by, v_now), v_now)
    RETURNING * INTO operation;
    PERFORM ledger.touch_participants();
END $$;
