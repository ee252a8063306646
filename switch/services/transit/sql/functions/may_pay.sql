-- may_pay(participant_no, mandate, network) → boolean
--
-- Purpose     Whether a participant may have rides on a network paid by a mandate.
-- Parameters  p_participant_no; p_mandate; p_network
-- Returns     whether it is the participant's, and for the account of the network
-- Locks       none
-- Tables      reads mandate
CREATE OR REPLACE FUNCTION transit.may_pay(
    p_participant_no integer, p_mandate uuid, p_network transit.network) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM ledger.mandate m
                    WHERE m.id = p_mandate AND m.participant_no = p_participant_no
                      AND m.payee = p_network.account AND m.currency = p_network.currency)
$$;
