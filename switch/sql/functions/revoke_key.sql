-- revoke_key(participant, name) → boolean
--
-- Purpose     Revokes a key for good.
-- Parameters  p_participant, p_name  the two halves of the key id
-- Returns     whether this call revoked it (false: it was revoked before); SW001 when there is no
--             such key
-- Locks       the participant, participants_version
-- Tables      updates participant_key
CREATE OR REPLACE FUNCTION ledger.revoke_key(p_participant text, p_name text) RETURNS boolean
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no      constant integer := ledger.participant_number(p_participant);
    v_revoked boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.participant_key WHERE participant_no = v_no AND name = p_name)
        THEN
        PERFORM ledger.refuse(format('there is no key %s/%s', p_participant, p_name),
                              'see `switch key list`');
    END IF;
    UPDATE ledger.participant_key SET revoked_at = ledger.decision_time()
     WHERE participant_no = v_no AND name = p_name AND revoked_at IS NULL;
    v_revoked := FOUND;
    PERFORM ledger.touch_participants();
    RETURN v_revoked;
END $$;
