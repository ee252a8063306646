-- read_payable_request(participant_no, request) → rows of payment_request
--
-- Purpose     A payment request, for whoever may pay it: its id is told to a person, whose wallet
--             looks up what it asks for.
-- Parameters  p_participant_no  who asks: the payee's participant, or one that holds an account of
--             the currency from which it could be paid; p_request
-- Returns     the row; none where there is no such request, or none for this participant
-- Locks       none
-- Tables      reads payment_request, account
CREATE OR REPLACE FUNCTION ledger.read_payable_request(p_participant_no integer, p_request uuid)
RETURNS SETOF ledger.payment_request
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT r.* FROM ledger.payment_request r
     WHERE r.id = p_request
       AND (r.participant_no = p_participant_no
            OR EXISTS (SELECT FROM ledger.account a
                        WHERE a.shard = 0 AND a.participant_no = p_participant_no
                          AND a.currency = r.currency
                          AND a.kind IN ('wallet', 'merchant', 'government', 'position')))
$$;
