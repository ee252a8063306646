-- read_pushed(participant_no, payment) → one row an event
--
-- Purpose     Events of a payment and its steps that a callback URL has not taken, for its
--             timeline. Of those that were taken read_told says when.
-- Parameters  p_participant_no  whose events, null for everybody's; p_payment  of a step its
--             payment
-- Returns     participant, no and kind as read_told; subject; waits_since  the first attempt, or
--             the event itself while it waits behind another; dead_at, attempts and result as in
--             delivery
-- Locks       none
-- Tables      reads delivery, participant
CREATE OR REPLACE FUNCTION ledger.read_pushed(p_participant_no integer, p_payment uuid)
RETURNS TABLE (
    participant text, no bigint, kind smallint, subject uuid, waits_since timestamptz,
    dead_at timestamptz, attempts integer, result text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT p.id, d.no, d.kind, d.subject, coalesce(d.first_tried_at, d.happened_at), d.dead_at,
           d.attempts, d.result
      FROM ledger.delivery d
      JOIN ledger.participant p ON p.participant_no = d.participant_no
     WHERE d.payment = p_payment
       AND (p_participant_no IS NULL OR d.participant_no = p_participant_no)
     ORDER BY d.participant_no, d.no
$$;
