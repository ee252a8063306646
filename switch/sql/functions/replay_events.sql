-- replay_events(participant, numbers[]) → number of events
--
-- Purpose     Lets a participant's dead events be sent again, as if they had never been tried.
-- Parameters  p_participant  whose; p_numbers  which, null for all
-- Returns     how many; SW001 when there is no such participant, it has no callback URL, or one of
--             the numbers is not dead
-- Locks       the participant's cursor, the events
-- Tables      reads participant; updates delivery
CREATE OR REPLACE FUNCTION ledger.replay_events(p_participant text, p_numbers bigint[])
RETURNS bigint
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_no constant integer := ledger.participant_number(p_participant);
    v_missing bigint;
    v_count bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.participant
                    WHERE participant_no = v_no AND callback_url IS NOT NULL) THEN
        PERFORM ledger.refuse(format('%s has no callback URL', p_participant),
                              'give it one with `switch participant set`');
    END IF;
    PERFORM FROM ledger.delivery_cursor WHERE participant_no = v_no FOR UPDATE;
    SELECT min(n.no) INTO v_missing FROM unnest(p_numbers) AS n (no)
     WHERE NOT EXISTS (SELECT FROM ledger.delivery d
                        WHERE d.participant_no = v_no AND d.no = n.no AND d.dead_at IS NOT NULL);
    IF v_missing IS NOT NULL THEN
        PERFORM ledger.refuse(format('event %s of %s is not dead', v_missing, p_participant),
                              '`switch event dead` lists those that are');
    END IF;
    UPDATE ledger.delivery
       SET dead_at = NULL, attempts = 0, first_tried_at = NULL
     WHERE participant_no = v_no AND dead_at IS NOT NULL
       AND (p_numbers IS NULL OR no = ANY (p_numbers));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    PERFORM ledger.line_up_deliveries(v_no);
    RETURN v_count;
END $$;
