-- add_participant(id, kind, callback_url, bank_url) → participant_no
--
-- Purpose     Admits a participant.
-- Parameters  p_id  [a-z][a-z0-9-]{1,31}; p_kind  bank, wallet, merchant or government; the URLs
--             may be null
-- Returns     its number; SW001 when the id is taken or malformed, or the kind unknown
-- Locks       the new row, participants_version
-- Tables      inserts participant; as start_deliveries
CREATE OR REPLACE FUNCTION ledger.add_participant(
    p_id text, p_kind text, p_callback_url text, p_bank_url text)
RETURNS integer
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no integer;
BEGIN
    IF p_id !~ '^[a-z][a-z0-9-]{1,31}$' OR p_id = 'switch' THEN
        PERFORM ledger.refuse(format('"%s" is no participant id', p_id),
                              'use 2 to 32 of a-z, 0-9 and -, a letter first; "switch" is taken');
    ELSIF p_kind NOT IN ('bank', 'wallet', 'merchant', 'government') THEN
        PERFORM ledger.refuse(format('"%s" is no kind of participant', p_kind),
                              'use bank, wallet, merchant or government');
    ELSIF EXISTS (SELECT FROM ledger.participant WHERE id = p_id) THEN
        PERFORM ledger.refuse(format('participant %s exists already', p_id),
                              'change it with `switch participant set`');
    END IF;
    INSERT INTO ledger.participant (id, kind, callback_url, bank_url, created_at)
    VALUES (p_id, p_kind, p_callback_url, p_bank_url, ledger.decision_time())
    RETURNING participant_no INTO v_no;
    IF p_callback_url IS NOT NULL THEN
        PERFORM ledger.start_deliveries(v_no);
    END IF;
    PERFORM ledger.touch_participants();
    RETURN v_no;
END $$;
