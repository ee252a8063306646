-- check_floor(kind, floor)
--
-- Purpose     Refuses a floor that cannot be.
-- Parameters  p_kind  of account; p_floor  minor units
-- Returns     nothing; SW001 for an account whose money a bank holds, above 0 or below -10^17 (so
--             that sums stay within bigint)
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.check_floor(p_kind text, p_floor bigint) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF p_kind = 'external' AND p_floor <> 0 THEN
        PERFORM ledger.refuse('an external account has no floor: its bank holds the money',
                              'give the bank''s position a floor');
    ELSIF p_floor > 0 OR p_floor < -100000000000000000 THEN
        PERFORM ledger.refuse(format('%s is no floor', p_floor),
                              'give 0 or minus the net debit cap in minor units, down to -10^17');
    END IF;
END $$;
