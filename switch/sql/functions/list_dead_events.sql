-- list_dead_events(participant, limit) → one row an event
--
-- Purpose     The operator's list of events that were given up.
-- Parameters  p_participant  whose, null for everybody's; p_limit  how many
-- Returns     participant, number (in its feed), id, payment, attempts, first_tried_at, dead_at,
--             result (of the last attempt), the longest dead first; SW001 when there is no such
--             participant
-- Locks       none
-- Tables      reads delivery, participant
CREATE OR REPLACE FUNCTION ledger.list_dead_events(p_participant text, p_limit integer)
RETURNS TABLE (participant text, number bigint, id text, payment uuid, attempts integer,
               first_tried_at timestamptz, dead_at timestamptz, result text)
LANGUAGE plpgsql STABLE SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no constant integer := CASE WHEN p_participant IS NOT NULL
                                  THEN ledger.participant_number(p_participant) END;
BEGIN
    RETURN QUERY
    SELECT p.id, d.no, format('%s.%s', d.subject, d.kind), d.payment, d.attempts, d.first_tried_at,
           d.dead_at, d.result
      FROM ledger.delivery d
      JOIN ledger.participant p ON p.participant_no = d.participant_no
     WHERE d.dead_at IS NOT NULL AND (v_no IS NULL OR d.participant_no = v_no)
     ORDER BY d.dead_at, d.participant_no, d.no LIMIT p_limit;
END $$;
