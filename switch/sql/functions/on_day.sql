-- on_day(mandate, day) → mandate
--
-- Purpose     A mandate as it stands on a day: what was spent on an earlier one counts no more.
-- Parameters  p_mandate; p_day  a local day
-- Returns     the mandate with the counts of that day and its month
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.on_day(p_mandate ledger.mandate, p_day date)
RETURNS ledger.mandate
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    v_month constant date := date_trunc('month', p_day)::date;
BEGIN
    IF p_mandate.spent_day < p_day THEN
        p_mandate.spent_today := 0;
        p_mandate.spent_day := p_day;
    END IF;
    IF p_mandate.spent_month < v_month THEN
        p_mandate.spent_this_month := 0;
        p_mandate.spent_month := v_month;
    END IF;
    RETURN p_mandate;
END $$;
