-- register_switch_key(name, public_key, not_before, not_after)
--
-- Purpose     Publishes a new key of the switch; the workers sign with it from not_before on.
-- Parameters  p_name; p_public_key  32 bytes (Ed25519); the validity
-- Returns     nothing; SW001 when the name or the key is taken
-- Locks       participants_version
-- Tables      inserts switch_key
CREATE OR REPLACE FUNCTION ledger.register_switch_key(
    p_name text, p_public_key bytea, p_not_before timestamptz, p_not_after timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger.switch_key WHERE name = p_name OR public_key = p_public_key)
       OR EXISTS (SELECT FROM ledger.participant_key WHERE public_key = p_public_key) THEN
        PERFORM ledger.refuse(format('key switch/%s exists already', p_name),
                              'choose another name');
    END IF;
    INSERT INTO ledger.switch_key (name, public_key, not_before, not_after, created_at)
    VALUES (p_name, p_public_key, p_not_before, p_not_after, ledger.decision_time());
    PERFORM ledger.touch_participants();
END $$;
