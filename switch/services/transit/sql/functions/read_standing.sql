-- read_standing(participant_no, token) → (token, network, fares, due, paid, reason)
--
-- Purpose     A token as it stands, for who answers for the rider and who runs the network.
-- Parameters  p_participant_no  who asks; p_token
-- Returns     the token, its network, sums over its weeks as their columns, and why it is on the
--             deny list, null where it is not; no row where there is none that the participant may
--             see
-- Locks       none
-- Tables      reads token, network, week, denial
CREATE OR REPLACE FUNCTION transit.read_standing(p_participant_no integer, p_token uuid)
RETURNS TABLE (token transit.token, network transit.network, fares bigint, due bigint,
               paid bigint, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    SELECT t, n, w.fares, w.due, w.paid, d.reason
      FROM transit.token t
      JOIN transit.network n ON n.id = t.network
      LEFT JOIN transit.denial d ON d.token = t.id
     CROSS JOIN (SELECT coalesce(sum(fares), 0)::bigint AS fares,
                        coalesce(sum(due), 0)::bigint AS due,
                        coalesce(sum(paid), 0)::bigint AS paid
                   FROM transit.week WHERE token = p_token) w
     WHERE t.id = p_token AND p_participant_no IN (t.participant_no, n.participant_no)
$$;
