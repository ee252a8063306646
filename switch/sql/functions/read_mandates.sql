-- read_mandates(participant_no, mandate, account, after, limit) → rows of mandate
--
-- Purpose     Mandates as they stand today, for whoever gave them or may use them.
-- Parameters  p_participant_no  who asks; p_mandate  this one, null for all of p_account, an
--             account of the participant from which or to which they permit to pay, without payment
--             codes, of which each is shown to its giver alone; p_after  only ids after this one;
--             p_limit  how many
-- Returns     the visible ones, in id order
-- Locks       none
-- Tables      reads mandate, account
CREATE OR REPLACE FUNCTION ledger.read_mandates(
    p_participant_no integer, p_mandate uuid, p_account uuid, p_after uuid, p_limit integer)
RETURNS SETOF ledger.mandate
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_today constant date := ledger.local_day(ledger.decision_time());
    v_after constant uuid := coalesce(p_after, '00000000-0000-0000-0000-000000000000');
BEGIN
    IF p_mandate IS NOT NULL THEN
        RETURN QUERY
            SELECT (ledger.on_day(m, v_today)).* FROM ledger.mandate m
             WHERE m.id = p_mandate
               AND (m.participant_no = p_participant_no
                    OR EXISTS (SELECT FROM ledger.account a
                                WHERE a.shard = 0 AND a.id = m.payee
                                  AND a.participant_no = p_participant_no));
    ELSIF EXISTS (SELECT FROM ledger.account
                   WHERE shard = 0 AND id = p_account AND participant_no = p_participant_no) THEN
        RETURN QUERY
            SELECT (ledger.on_day(side.m, v_today)).* FROM (
                (SELECT m FROM ledger.mandate m
                  WHERE m.payer = p_account AND m.payee IS NOT NULL AND m.id > v_after
                  ORDER BY m.id LIMIT p_limit)
                 UNION ALL
                (SELECT m FROM ledger.mandate m
                  WHERE m.payee = p_account AND m.id > v_after
                  ORDER BY m.id LIMIT p_limit)) side
             ORDER BY (side.m).id LIMIT p_limit;
    END IF;
END $$;
