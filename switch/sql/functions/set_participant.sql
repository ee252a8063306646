-- set_participant(id, callback_url, bank_url)
--
-- Purpose     Changes a participant's addresses.
-- Parameters  p_id; the URLs, null for unchanged, '' for none
-- Returns     nothing; SW001 when there is no such participant
-- Locks       the participant, participants_version
-- Tables      updates participant
CREATE OR REPLACE FUNCTION ledger.set_participant(p_id text, p_callback_url text, p_bank_url text)
    RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
BEGIN
    UPDATE ledger.participant
       SET callback_url = nullif(coalesce(p_callback_url, callback_url), ''),
           bank_url = nullif(coalesce(p_bank_url, bank_url), '')
     WHERE participant_no = ledger.participant_number(p_id);
    PERFORM ledger.touch_participants();
END $$;
