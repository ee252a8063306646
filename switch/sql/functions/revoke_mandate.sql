-- revoke_mandate(participant_no, key, digest, mandate) → one row
--
-- Purpose     Ends a mandate for a participant's signed message, once a key. No payment is decided
--             by it after this was committed: whoever decides holds the mandate's lock.
-- Parameters  p_participant_no, p_key, p_digest  whose message, its idempotency key, SHA-256 of
--             what it asks for; p_mandate
-- Returns     disposition  0 ended now, 1 asked for before by the same message, 2 the key was spent
--             on something else, 4 no mandate that this participant gave (no key spent), 5 barred;
--             subject  as claim_mandate_key; mandate  as it is now, where disposition is 0 or 1
-- Locks       the key claim, then the mandate
-- Tables      inserts key_claim; updates mandate
CREATE OR REPLACE FUNCTION ledger.revoke_mandate(
    p_participant_no integer, p_key text, p_digest bytea, p_mandate uuid,
    OUT disposition smallint, OUT subject uuid, OUT mandate ledger.mandate)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.mandate m
                    WHERE m.id = p_mandate AND m.participant_no = p_participant_no) THEN
        disposition := 4;
        RETURN;
    END IF;
    SELECT * INTO STRICT disposition, subject
      FROM ledger.claim_mandate_key(p_participant_no, p_key, p_digest, p_mandate);
    IF disposition = 0 THEN
        UPDATE ledger.mandate m SET revoked_at = ledger.decision_time()
         WHERE m.id = p_mandate AND m.revoked_at IS NULL;
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT mandate FROM ledger.mandate m WHERE m.id = subject;
    END IF;
END $$;
