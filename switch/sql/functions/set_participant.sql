-- set_participant(id, callback_url, bank_url)
--
-- Purpose     Changes a participant's addresses. A first callback URL gets the events from then on,
--             another one goes on where the one before it was.
-- Parameters  p_id; the URLs, null for unchanged, '' for none
-- Returns     nothing; SW001 when there is no such participant, or it is the switch itself
-- Locks       the participant, participants_version
-- Tables      updates participant; as start_deliveries
CREATE OR REPLACE FUNCTION ledger.set_participant(p_id text, p_callback_url text, p_bank_url text)
    RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no constant integer := ledger.participant_number(p_id);
    v_before text;
BEGIN
    IF v_no = 0 THEN
        PERFORM ledger.refuse('"switch" is the switch itself, no participant to change',
                              'name one of `switch participant list`; `switch key rotate`'
                              ' changes the keys of the switch');
    END IF;
    SELECT callback_url INTO v_before FROM ledger.participant WHERE participant_no = v_no
       FOR UPDATE;
    UPDATE ledger.participant
       SET callback_url = nullif(coalesce(p_callback_url, callback_url), ''),
           bank_url = nullif(coalesce(p_bank_url, bank_url), '')
     WHERE participant_no = v_no;
    IF v_before IS NULL AND p_callback_url <> '' THEN
        PERFORM ledger.start_deliveries(v_no);
    END IF;
    PERFORM ledger.touch_participants();
END $$;
