-- may_call_bank(participant_no, kind, calls_max) → boolean
--
-- Purpose     Whether a bank can be asked about one payment more.
-- Parameters  p_participant_no  the bank; p_kind  of bank_call; p_calls_max  how many of that kind
--             may be open
-- Returns     true if it is active, has a URL, and fewer are open
-- Locks       none
-- Tables      reads participant, bank_call
CREATE OR REPLACE FUNCTION ledger.may_call_bank(
    p_participant_no integer, p_kind smallint, p_calls_max integer) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM ledger.participant
                    WHERE participant_no = p_participant_no AND status = 'active'
                      AND bank_url IS NOT NULL)
       AND (SELECT count(*) FROM (SELECT FROM ledger.bank_call
                                   WHERE participant_no = p_participant_no AND kind = p_kind
                                     AND finished_at IS NULL LIMIT p_calls_max) open)
               < p_calls_max
$$;
