-- ask_again(participant_no, key, digest, token, mandate) → one row
--
-- Purpose     Has what a token owes asked for at once, perhaps by another mandate, for its
--             provider's signed message, once a key.
-- Parameters  p_participant_no, p_key, p_digest  as give_network; p_token; p_mandate  by which it
--             and later rides are paid, null for the one it has
-- Returns     disposition  0 it will be asked for now, 1 before by the same message, 2 the key was
--             spent on something else, 4 no such token of the participant, 5 barred, 6 no such
--             mandate (4 and 6 spend no key); token  where it is 0 or 1
-- Locks       weeks of the token in order, the token, then the key claim
-- Tables      as ledger.claim_subject; updates token, week; reads network, mandate
CREATE OR REPLACE FUNCTION transit.ask_again(
    p_participant_no integer, p_key text, p_digest bytea, p_token uuid, p_mandate uuid,
    OUT disposition smallint, OUT token transit.token)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
DECLARE
    v_network transit.network;
BEGIN
    PERFORM FROM transit.week w JOIN transit.token t ON t.id = w.token
      WHERE w.token = p_token AND t.participant_no = p_participant_no AND w.due <> w.paid
      ORDER BY w.monday FOR NO KEY UPDATE OF w;
    SELECT * INTO token FROM transit.token t
     WHERE t.id = p_token AND t.participant_no = p_participant_no FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT v_network FROM transit.network n WHERE n.id = token.network;
    IF p_mandate IS NOT NULL AND NOT ledger.is_spent(p_participant_no, p_key)
       AND NOT transit.may_pay(p_participant_no, p_mandate, v_network) THEN
        disposition := 6;
        RETURN;
    END IF;
    SELECT c.disposition INTO STRICT disposition
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_token, 9::smallint) c;
    IF disposition = 0 THEN
        UPDATE transit.token t SET mandate = coalesce(p_mandate, t.mandate) WHERE t.id = p_token
        RETURNING * INTO token;
        UPDATE transit.week w SET look_at = ledger.decision_time(), failures = 0, retry_at = NULL
         WHERE w.token = p_token AND w.due <> w.paid;
    END IF;
END $$;
