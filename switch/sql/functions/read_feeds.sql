-- read_feeds(participant_nos[]) → rows
--
-- Purpose     How far feeds go, for everybody who waits for an event at once.
-- Parameters  p_participant_nos  whose feeds
-- Returns     rows of participant_no, last_no, pruned_no (events up to it are no longer kept); none
--             for a feed without events
-- Locks       none
-- Tables      reads event_feed
CREATE OR REPLACE FUNCTION ledger.read_feeds(p_participant_nos integer[])
RETURNS TABLE (participant_no integer, last_no bigint, pruned_no bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT f.participant_no, f.last_no, f.pruned_no FROM ledger.event_feed f
     WHERE f.participant_no = ANY (p_participant_nos)
$$;
