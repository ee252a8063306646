-- local_day(at) → date
--
-- Purpose     The day that daily limits count on.
-- Parameters  p_at  an instant
-- Returns     The date of that instant in the ledger's time zone (setting `time_zone`).
-- Locks       none
-- Tables      reads setting
CREATE OR REPLACE FUNCTION ledger.local_day(p_at timestamptz) RETURNS date
LANGUAGE sql STABLE
AS $$ SELECT (p_at AT TIME ZONE value)::date FROM ledger.setting WHERE name = 'time_zone' $$;
