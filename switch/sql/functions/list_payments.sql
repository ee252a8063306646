-- list_payments(participant_no, reference, account, from_at, to_at, after, limit) → ids
--
-- Purpose     Finds payments for a participant: of one of its accounts, or those it sent.
-- Parameters  p_reference  only with this reference, null for all; p_account  paid by or to this
--             account of the participant, null for what the participant sent; p_from_at, p_to_at
--             accepted from (inclusive) to (exclusive), whenever they were decided, null for open;
--             p_after  only those behind this payment; p_limit  how many
-- Returns     ids in the order of created_at, then id: a payment whose transaction ended late, or
--             that waited to be decided, can appear before one that a caller has read already
-- Locks       none
-- Tables      reads known_payment, account
CREATE OR REPLACE FUNCTION ledger.list_payments(
    p_participant_no integer, p_reference text, p_account uuid, p_from_at timestamptz,
    p_to_at timestamptz, p_after uuid, p_limit integer) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_after    constant uuid := coalesce(p_after, '00000000-0000-0000-0000-000000000000');
    v_after_at constant timestamptz := coalesce(
        (SELECT y.created_at FROM ledger.known_payment y WHERE y.shard = 0 AND y.id = p_after),
        ledger.time_of(p_after), '-infinity');
    v_from_at  constant timestamptz := greatest(p_from_at, v_after_at);
    v_to_at    constant timestamptz := coalesce(p_to_at, 'infinity');
BEGIN
    IF p_account IS NULL AND p_reference IS NULL THEN
        RETURN QUERY
            SELECT y.id FROM ledger.known_payment y
             WHERE y.participant_no = p_participant_no
               AND y.created_at >= v_from_at AND y.created_at < v_to_at
               AND (y.created_at, y.id) > (v_after_at, v_after)
             ORDER BY y.created_at, y.id LIMIT p_limit;
    ELSIF p_account IS NULL THEN
        RETURN QUERY
            SELECT y.id FROM ledger.known_payment y
             WHERE hashtextextended(y.reference, y.participant_no)
                   = hashtextextended(p_reference, p_participant_no)
               AND y.participant_no = p_participant_no AND y.reference = p_reference
               AND y.created_at >= v_from_at AND y.created_at < v_to_at
               AND (y.created_at, y.id) > (v_after_at, v_after)
             ORDER BY y.created_at, y.id LIMIT p_limit;
    ELSIF EXISTS (SELECT FROM ledger.account
                   WHERE shard = 0 AND id = p_account AND participant_no = p_participant_no) THEN
        RETURN QUERY
            SELECT side.id FROM (
                (SELECT y.created_at, y.id FROM ledger.known_payment y
                  WHERE uuid_hash_extended(y.payer, 0) = uuid_hash_extended(p_account, 0)
                    AND y.payer = p_account AND (p_reference IS NULL OR y.reference = p_reference)
                    AND y.created_at >= v_from_at AND y.created_at < v_to_at
                    AND (y.created_at, y.id) > (v_after_at, v_after)
                  ORDER BY y.created_at, y.id LIMIT p_limit)
                 UNION
                (SELECT y.created_at, y.id FROM ledger.known_payment y
                  WHERE uuid_hash_extended(y.payee, 0) = uuid_hash_extended(p_account, 0)
                    AND y.payee = p_account AND (p_reference IS NULL OR y.reference = p_reference)
                    AND y.created_at >= v_from_at AND y.created_at < v_to_at
                    AND (y.created_at, y.id) > (v_after_at, v_after)
                  ORDER BY y.created_at, y.id LIMIT p_limit)) side
             ORDER BY side.created_at, side.id LIMIT p_limit;
    END IF;
END $$;
