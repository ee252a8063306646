-- confirm_key(participant, name)
--
-- Purpose     Lets a key that another one introduced stand by itself: it stays when its introducer
--             is revoked, and so does what it introduces.
-- Parameters  p_participant, p_name  the two halves of the key id
-- Returns     nothing; SW001 when there is no such key, the operator added it, or it is revoked
-- Locks       the participant, participants_version
-- Tables      updates participant_key
CREATE OR REPLACE FUNCTION ledger.confirm_key(p_participant text, p_name text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no  constant integer := ledger.participant_number(p_participant);
    v_key ledger.participant_key;
BEGIN
    SELECT * INTO v_key FROM ledger.participant_key WHERE participant_no = v_no AND name = p_name;
    IF v_key.name IS NULL THEN
        PERFORM ledger.refuse(format('there is no key %s/%s', p_participant, p_name),
                              'see `switch key list`');
    ELSIF v_key.revoked_at IS NOT NULL THEN
        PERFORM ledger.refuse(format('key %s/%s is revoked, for good', p_participant, p_name),
                              'have a new one made, and `switch key add` it');
    ELSIF v_key.introduced_by IS NULL THEN
        PERFORM ledger.refuse(format('key %s/%s was added by the operator', p_participant, p_name),
                              'there is nothing to confirm');
    END IF;
    UPDATE ledger.participant_key SET confirmed_at = ledger.decision_time()
     WHERE participant_no = v_no AND name = p_name AND confirmed_at IS NULL;
    PERFORM ledger.touch_participants();
END $$;
