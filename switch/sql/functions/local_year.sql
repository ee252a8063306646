-- local_year(at) → number
--
-- Purpose     The year that yearly limits count on.
-- Parameters  p_at  an instant
-- Returns     The year of that instant in the ledger's time zone (setting `time_zone`), as
--             `extract` gives it, so that it compares with that of a day without a cast.
-- Locks       none
-- Tables      reads setting
CREATE OR REPLACE FUNCTION ledger.local_year(p_at timestamptz) RETURNS numeric
LANGUAGE sql STABLE
AS $$ SELECT extract(year FROM ledger.local_day(p_at)) $$;
