-- read_denied(participant_no, network, after, count) → rows of denial
--
-- Purpose     The deny list of a network of the participant: all of it, or what changed.
-- Parameters  p_participant_no  who runs it; p_network; p_after  the number of the last change that
--             is known, null for all that are on it; p_count  at most
-- Returns     changes in the order of their numbers; a token that is on the list no more has no
--             reason
-- Locks       none
-- Tables      reads denial, network
CREATE OR REPLACE FUNCTION transit.read_denied(
    p_participant_no integer, p_network uuid, p_after bigint, p_count integer)
RETURNS SETOF transit.denial
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    SELECT d.* FROM transit.denial d JOIN transit.network n ON n.id = d.network
     WHERE d.network = p_network AND n.participant_no = p_participant_no
       AND d.number > coalesce(p_after, 0) AND (p_after IS NOT NULL OR d.reason IS NOT NULL)
     ORDER BY d.number LIMIT p_count
$$;
