-- add_key(participant, name, public_key, not_before, not_after)
--
-- Purpose     Registers a participant's public key.
-- Parameters  p_participant, p_name  the two halves of the key id; p_public_key  32 bytes
--             (Ed25519); the validity
-- Returns     nothing; SW001 when the participant is unknown or the switch itself, or the name or
--             the key itself is taken
-- Locks       the participant, participants_version
-- Tables      inserts participant_key
CREATE OR REPLACE FUNCTION ledger.add_key(
    p_participant text, p_name text, p_public_key bytea, p_not_before timestamptz,
    p_not_after timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no constant integer := ledger.participant_number(p_participant);
BEGIN
    IF v_no = 0 THEN
        PERFORM ledger.refuse('key ids of "switch" are the switch''s own',
                              'make its keys with `switch key rotate`');
    ELSIF p_name !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' THEN
        PERFORM ledger.refuse(format('"%s" is no key name', p_name),
                              'use up to 64 letters, digits, ".", "_" and "-"');
    ELSIF p_not_after <= p_not_before THEN
        PERFORM ledger.refuse('the key would never be valid',
                              'give a not-after later than not-before');
    ELSIF EXISTS (SELECT FROM ledger.participant_key WHERE participant_no = v_no AND name = p_name)
        THEN
        PERFORM ledger.refuse(format('key %s/%s exists already', p_participant, p_name),
                              'choose another name');
    ELSIF EXISTS (SELECT FROM ledger.participant_key WHERE public_key = p_public_key)
       OR EXISTS (SELECT FROM ledger.switch_key WHERE public_key = p_public_key) THEN
        PERFORM ledger.refuse('this public key is registered already',
                              'make a new one with `switch key generate`');
    END IF;
    INSERT INTO ledger.participant_key (participant_no, name, public_key, not_before, not_after,
                                        created_at)
    VALUES (v_no, p_name, p_public_key, p_not_before, p_not_after, ledger.decision_time());
    PERFORM ledger.touch_participants();
END $$;
