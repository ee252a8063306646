-- touch_participants()
--
-- Purpose     Tells every worker that participants, keys or the switch's keys have changed.
-- Returns     nothing
-- Locks       the one row of participants_version
-- Tables      updates participants_version; notifies the channel switch_participants
CREATE OR REPLACE FUNCTION ledger.touch_participants() RETURNS void
LANGUAGE sql
AS $$
    UPDATE ledger.participants_version SET version = version + 1;
    NOTIFY switch_participants;
$$;
