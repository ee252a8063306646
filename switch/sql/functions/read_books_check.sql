-- read_books_check() → (checked_at, deviations)
--
-- Purpose     The last books check.
-- Returns     when, and how many deviations; nulls when there was none yet
-- Locks       none
-- Tables      reads books_check
CREATE OR REPLACE FUNCTION ledger.read_books_check(
    OUT checked_at timestamptz, OUT deviations integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$ SELECT checked_at, deviations FROM ledger.books_check ORDER BY checked_at DESC LIMIT 1 $$;
