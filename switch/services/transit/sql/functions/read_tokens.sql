-- read_tokens(participant_no, tokens[]) → rows of token
--
-- Purpose     Tokens of riders of the participant, or for its networks.
-- Parameters  p_participant_no; p_tokens
-- Returns     those of them that it may see
-- Locks       none
-- Tables      reads token, network
CREATE OR REPLACE FUNCTION transit.read_tokens(p_participant_no integer, p_tokens uuid[])
RETURNS SETOF transit.token
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    SELECT t.* FROM transit.token t JOIN transit.network n ON n.id = t.network
     WHERE t.id = ANY (p_tokens) AND p_participant_no IN (t.participant_no, n.participant_no)
$$;
