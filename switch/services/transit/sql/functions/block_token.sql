-- block_token(participant_no, key, digest, token) → one row
--
-- Purpose     Puts a token on the deny list for good, for its provider's signed message, once a
--             key: the phone was lost.
-- Parameters  p_participant_no, p_key, p_digest  as give_network; p_token
-- Returns     disposition  0 blocked now, or it was, 1 before by the same message, 2 the key was
--             spent on something else, 4 no such token of the participant (no key spent), 5 barred;
--             token  where it is 0 or 1
-- Locks       the token, the key claim; as set_denials
-- Tables      as ledger.claim_subject and set_denials; updates token
CREATE OR REPLACE FUNCTION transit.block_token(
    p_participant_no integer, p_key text, p_digest bytea, p_token uuid,
    OUT disposition smallint, OUT token transit.token)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
BEGIN
    SELECT * INTO token FROM transit.token t
     WHERE t.id = p_token AND t.participant_no = p_participant_no FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT c.disposition INTO STRICT disposition
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_token, 9::smallint) c;
    IF disposition = 0 AND token.blocked_at IS NULL THEN
        UPDATE transit.token t SET blocked_at = ledger.decision_time() WHERE t.id = p_token
        RETURNING * INTO token;
        PERFORM transit.set_denials(ARRAY[p_token]);
    END IF;
END $$;
