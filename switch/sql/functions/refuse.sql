-- refuse(message, hint)
--
-- Purpose     Ends an operator's function with an error for a person.
-- Parameters  p_message  what is wrong; p_hint  what to do
-- Returns     never; raises SQLSTATE SW001
-- Locks       none
-- Tables      none
CREATE OR REPLACE FUNCTION ledger.refuse(p_message text, p_hint text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '%', p_message USING ERRCODE = 'SW001', HINT = p_hint;
END $$;
