-- end_switch_key(name)
--
-- Purpose     Ends the validity of one of the switch's own keys now; it stays published, so that
--             what it signed before can be verified.
-- Parameters  p_name
-- Returns     nothing, also when it had ended before; SW001 when there is no such key, or no other
--             to sign with now
-- Locks       participants_version
-- Tables      updates switch_key
CREATE OR REPLACE FUNCTION ledger.end_switch_key(p_name text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_at timestamptz;
BEGIN
    PERFORM ledger.touch_participants();
    v_at := ledger.decision_time();
    IF NOT EXISTS (SELECT FROM ledger.switch_key WHERE name = p_name) THEN
        PERFORM ledger.refuse(format('there is no key switch/%s', p_name), 'see `switch key list`');
    ELSIF NOT EXISTS (SELECT FROM ledger.switch_key
                       WHERE name <> p_name AND not_before <= v_at AND v_at < not_after) THEN
        PERFORM ledger.refuse(format('the switch has no other key than switch/%s now', p_name),
                              'make one first: `switch key rotate --not-before now`');
    END IF;
    -- One that has not begun must never sign: it gets a validity that is over.
    UPDATE ledger.switch_key
       SET not_before = least(not_before, v_at), not_after = v_at + interval '1 microsecond'
     WHERE name = p_name AND not_after > v_at;
END $$;
