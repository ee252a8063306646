-- day_begins_at(day) → timestamptz
--
-- Purpose     When a day begins in the ledger's time zone (setting `time_zone`), as local_day.
-- Parameters  p_day
-- Returns     an instant
-- Locks       none
-- Tables      reads setting
CREATE OR REPLACE FUNCTION ledger.day_begins_at(p_day date) RETURNS timestamptz
LANGUAGE sql STABLE
AS $$ SELECT p_day::timestamp AT TIME ZONE value FROM ledger.setting WHERE name = 'time_zone' $$;
