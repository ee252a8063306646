-- set_denials(tokens[])
--
-- Purpose     Brings the deny lists up to what is known of tokens: blocked, in debt after a fare
--             was declined, or with more not yet paid than their network lends them.
-- Parameters  p_tokens
-- Returns     nothing
-- Locks       the tokens in id order; then their networks in id order, so that a change is never
--             seen before one with a smaller number
-- Tables      inserts and updates denial; updates network; reads token, week
CREATE OR REPLACE FUNCTION transit.set_denials(p_tokens uuid[]) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_change record;
    v_number bigint;
BEGIN
    PERFORM FROM transit.token WHERE id = ANY (p_tokens) ORDER BY id FOR NO KEY UPDATE;
    FOR v_change IN
        SELECT f.*
          FROM (SELECT t.id, t.network,
                       CASE WHEN t.blocked_at IS NOT NULL THEN 'blocked'
                            WHEN coalesce(w.is_in_debt, false) THEN 'debt'
                            WHEN w.owed > t.liability_max THEN 'liability' END AS reason
                  FROM transit.token t
                  LEFT JOIN LATERAL (
                        SELECT sum(fares - paid) AS owed,
                               bool_or(due > paid AND failures > 0) AS is_in_debt
                          FROM transit.week WHERE token = t.id) w ON true
                 WHERE t.id = ANY (p_tokens)) f
          LEFT JOIN transit.denial d ON d.token = f.id
         WHERE d.reason IS DISTINCT FROM f.reason
         ORDER BY f.network, f.id LOOP
        UPDATE transit.network SET denials = denials + 1 WHERE id = v_change.network
        RETURNING denials INTO v_number;
        INSERT INTO transit.denial (token, network, number, reason, changed_at)
        VALUES (v_change.id, v_change.network, v_number, v_change.reason, ledger.decision_time())
            ON CONFLICT (token) DO UPDATE
           SET number = excluded.number, reason = excluded.reason,
               changed_at = excluded.changed_at;
    END LOOP;
END $$;
