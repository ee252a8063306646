-- read_delivery_work(waiting_max) → rows
--
-- Purpose     Whose callback URL is to be called now.
-- Parameters  p_waiting_max  with so many waiting events of a participant its feed is not read on
-- Returns     rows of participant_no, participant, callback_url, has_new (its feed goes further
--             than what was passed), has_due (something is to be tried again); one of both is true
-- Locks       none
-- Tables      reads participant, delivery_cursor, event_feed, delivery
CREATE OR REPLACE FUNCTION ledger.read_delivery_work(p_waiting_max integer)
RETURNS TABLE (participant_no integer, participant text, callback_url text, has_new boolean,
               has_due boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT w.*
      FROM (SELECT p.participant_no, p.id AS participant, p.callback_url,
                   coalesce(f.last_no > c.passed_no, false)
                   AND NOT EXISTS (SELECT FROM ledger.delivery d
                                    WHERE d.participant_no = p.participant_no AND d.dead_at IS NULL
                                   OFFSET p_waiting_max - 1) AS has_new,
                   EXISTS (SELECT FROM ledger.delivery d
                            WHERE d.participant_no = p.participant_no
                              AND d.due_at <= (SELECT ledger.decision_time())) AS has_due
              FROM ledger.participant p
              JOIN ledger.delivery_cursor c ON c.participant_no = p.participant_no
              LEFT JOIN ledger.event_feed f ON f.participant_no = p.participant_no
             WHERE p.callback_url IS NOT NULL) w
     WHERE w.has_new OR w.has_due
$$;
