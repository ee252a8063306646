-- record_books_check(deviations)
--
-- Purpose     Keeps when the books were checked and how many deviations there were.
-- Parameters  p_deviations  how many
-- Returns     nothing
-- Locks       the new row
-- Tables      inserts books_check
CREATE OR REPLACE FUNCTION ledger.record_books_check(p_deviations integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    INSERT INTO ledger.books_check (checked_at, deviations) VALUES (ledger.decision_time(),
                                                                    p_deviations)
$$;
