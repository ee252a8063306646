-- due_weeks(count) → rows
--
-- Purpose     The weeks that are to be priced and paid now, the longest waiting first, with all
--             that decides their fares but the fare tables. A suspended operator's wait.
-- Parameters  p_count  at most
-- Returns     token, monday, taps as the columns of week; network, rider_class; read_at  now; today
--             the service day; payable_through  the last one whose fares are due; and as taps_of
-- Locks       none
-- Tables      reads week, token, network, participant, tap, setting
CREATE OR REPLACE FUNCTION transit.due_weeks(p_count integer)
RETURNS TABLE (token uuid, monday date, taps integer, network uuid, rider_class text,
               read_at timestamptz, today date, payable_through date, days date[],
               tapped_at timestamptz[], gates uuid[], counters bigint[], directions text[],
               stations text[])
LANGUAGE sql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    WITH clock AS MATERIALIZED (SELECT ledger.decision_time() AS now),
         due AS MATERIALIZED (
        SELECT w.token, w.monday, w.taps, t.rider_class, n AS of
          FROM transit.week w
          JOIN transit.token t ON t.id = w.token
          JOIN transit.network n ON n.id = t.network
          JOIN ledger.participant p ON p.participant_no = n.participant_no
         WHERE w.look_at <= (SELECT now FROM clock) AND p.status = 'active'
         ORDER BY w.look_at LIMIT p_count)
    SELECT d.token, d.monday, d.taps, (d.of).id, d.rider_class, c.now,
           transit.service_day(c.now, (d.of).day_begins),
           transit.service_day(c.now - make_interval(mins => (d.of).settle_minutes),
                               (d.of).day_begins) - 1,
           t.*
      FROM clock c CROSS JOIN due d CROSS JOIN LATERAL transit.taps_of(d.token, d.monday) t
$$;
