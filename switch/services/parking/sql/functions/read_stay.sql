-- read_stay(participant_no, stay) → (stay, site, holds)
--
-- Purpose     A stay as it is, for who runs the site.
-- Parameters  p_participant_no  who asks; p_stay
-- Returns     the stay, its site, and the payments of its holds that were approved; no row where
--             there is none that the participant may see
-- Locks       none
-- Tables      reads stay, site, hold
CREATE OR REPLACE FUNCTION parking.read_stay(p_participant_no integer, p_stay uuid)
RETURNS TABLE (stay parking.stay, site parking.site, holds uuid[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = parking, pg_temp
AS $$
    SELECT s, t, ARRAY(SELECT h.payment FROM parking.hold h
                        WHERE h.stay = s.id AND h.outcome = 0 ORDER BY h.number)
      FROM parking.stay s JOIN parking.site t ON t.id = s.site
     WHERE s.id = p_stay AND t.participant_no = p_participant_no
$$;
