-- can_ask(participant_no, payee, currency) → boolean
--
-- Purpose     Whether a participant may ask to be paid to an account: it is its own, of this
--             currency, and of a kind that payments are asked for.
-- Parameters  p_participant_no; p_payee; p_currency
-- Returns     true or false
-- Locks       none
-- Tables      reads account
CREATE OR REPLACE FUNCTION ledger.can_ask(
    p_participant_no integer, p_payee uuid, p_currency text)
RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM ledger.account a
                    WHERE a.shard = 0 AND a.id = p_payee AND a.participant_no = p_participant_no
                      AND a.currency = p_currency
                      AND a.kind IN ('wallet', 'merchant', 'government'))
$$;
