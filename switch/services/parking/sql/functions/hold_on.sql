-- hold_on(ids[], seconds, holds_max) → integer
--
-- Purpose     Makes another hold for stays that are still open when theirs is about to end. Where
--             it is declined, or there have been too many, the stay goes on without: the fee is
--             taken by the mandate when it ends.
-- Parameters  p_ids  what the holds are called, so at most as many stays; p_seconds  before its
--             end; p_holds_max  of one stay
-- Returns     how many stays were seen to; fewer than p_ids if no more are due, or others hold
--             them. A suspended operator's are left
-- Locks       the stays, those that are free; as ledger.authorize_batch
-- Tables      as hold_for
CREATE OR REPLACE FUNCTION parking.hold_on(p_ids uuid[], p_seconds integer, p_holds_max integer)
    RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = parking, pg_temp
AS $$
DECLARE
    v_due   parking.hold;
    v_stay  parking.stay;
    v_count integer := 0;
BEGIN
    FOR v_due IN SELECT h.* FROM parking.hold h
                   JOIN parking.stay s ON s.id = h.stay
                   JOIN parking.site t ON t.id = s.site
                   JOIN ledger.participant p USING (participant_no)
                  WHERE h.is_last AND p.status = 'active'
                    AND h.expires_at <= ledger.decision_time() + make_interval(secs => p_seconds)
                  ORDER BY h.expires_at LIMIT cardinality(p_ids) LOOP
        SELECT * INTO v_stay FROM parking.stay s
         WHERE s.id = v_due.stay AND s.status = 'open'
           FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        v_count := v_count + 1;
        IF v_due.number >= p_holds_max THEN
            UPDATE parking.hold SET is_last = false WHERE stay = v_stay.id AND is_last;
        ELSE
            PERFORM parking.hold_for(v_stay, (v_due.number + 1)::smallint, p_ids[v_count]);
        END IF;
    END LOOP;
    RETURN v_count;
END $$;
