-- read_gates(participant_no, gates[]) → rows of gate
--
-- Purpose     Gates of the participant's networks.
-- Parameters  p_participant_no; p_gates
-- Returns     those of them that are the participant's
-- Locks       none
-- Tables      reads gate, network
CREATE OR REPLACE FUNCTION transit.read_gates(p_participant_no integer, p_gates uuid[])
RETURNS SETOF transit.gate
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    SELECT g.* FROM transit.gate g JOIN transit.network n ON n.id = g.network
     WHERE g.id = ANY (p_gates) AND n.participant_no = p_participant_no
$$;
