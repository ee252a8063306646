-- check_floor(floor)
--
-- Purpose     Refuses a floor that cannot be.
-- Parameters  p_floor  minor units
-- Returns     nothing; SW001 above 0 or below -10^17 (so that sums stay within bigint)
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.check_floor(p_floor bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF p_floor > 0 OR p_floor < -100000000000000000 THEN
        PERFORM ledger.refuse(format('%s is no floor', p_floor),
                              'give 0 or minus the net debit cap in minor units, down to -10^17');
    END IF;
END $$;
