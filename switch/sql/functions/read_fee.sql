-- read_fee(participant_no, payment) → bigint
--
-- Purpose     What was kept of a payment or a step by the tariff of its payee, for who holds the
--             payee's account and nobody else.
-- Parameters  p_participant_no  who asks; p_payment
-- Returns     minor units; null where nothing was kept, or the participant may not know
-- Locks       none
-- Tables      reads payment, account
CREATE OR REPLACE FUNCTION ledger.read_fee(p_participant_no integer, p_payment uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    SELECT y.split FROM ledger.payment y
      JOIN ledger.account a ON a.shard = 0 AND a.id = y.payee
     WHERE y.shard = 0 AND y.id = p_payment AND a.participant_no = p_participant_no
$$;
