-- operator_open_account(account_id, participant, kind, currency, floor, tier, reference)
--
-- Purpose     Opens an account of any kind for a participant.
-- Parameters  p_account_id; p_participant, its holder (`switch` for the operator's own); p_floor  0
--             or less: minus the net debit cap or credit line; p_tier  null for the kind's default
-- Returns     nothing; SW001 when holder, kind, floor or tier cannot be
-- Locks       the holder
-- Tables      inserts account; reads tier, tier_default
CREATE OR REPLACE FUNCTION ledger.operator_open_account(
    p_account_id uuid, p_participant text, p_kind text, p_currency text, p_floor bigint,
    p_tier text, p_reference text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no   constant integer := ledger.participant_number(p_participant);
    v_kind constant text := (SELECT kind FROM ledger.participant WHERE participant_no = v_no);
BEGIN
    IF p_kind NOT IN ('wallet', 'merchant', 'government', 'position', 'external', 'fee') THEN
        PERFORM ledger.refuse(format('"%s" is no kind of account that can be opened', p_kind),
                              'use wallet, merchant, government, position, external or fee');
    ELSIF p_kind IN ('position', 'external') AND v_kind <> 'bank' THEN
        PERFORM ledger.refuse(format('%s accounts are banks'', %s is none', p_kind, p_participant),
                              'name a participant of kind bank');
    END IF;
    PERFORM ledger.check_floor(p_kind, p_floor);
    PERFORM ledger.check_tier(p_kind, p_tier, p_currency);
    INSERT INTO ledger.account (participant_no, id, kind, currency, floor, tier, reference,
                                created_at)
    VALUES (v_no, p_account_id, p_kind, p_currency, p_floor,
            coalesce(p_tier, (SELECT d.tier FROM ledger.tier_default d
                               WHERE d.kind = p_kind AND d.currency = p_currency)),
            p_reference, ledger.decision_time());
END $$;
