-- revoke_key(participant, name) → text[]
--
-- Purpose     Revokes a key for good, and with it what it introduced, save what is confirmed.
-- Parameters  p_participant, p_name  the two halves of the key id
-- Returns     the names of the keys that this call revoked (none: they were revoked before); SW001
--             when there is no such key
-- Locks       the participant, participant_key rows, participants_version
-- Tables      updates participant_key
CREATE OR REPLACE FUNCTION ledger.revoke_key(p_participant text, p_name text) RETURNS text[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no      constant integer := ledger.participant_number(p_participant);
    v_revoked text[];
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.participant_key WHERE participant_no = v_no AND name = p_name)
        THEN
        PERFORM ledger.refuse(format('there is no key %s/%s', p_participant, p_name),
                              'see `switch key list`');
    END IF;
    v_revoked := ledger.revoke_with_introduced(v_no, p_name, NULL, ledger.decision_time());
    PERFORM ledger.touch_participants();
    RETURN v_revoked;
END $$;
