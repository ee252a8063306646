-- read_week(participant_no, token, day) → one row
--
-- Purpose     What a token rode in a week, for who answers for the rider and who runs the network.
-- Parameters  p_participant_no  who asks; p_token; p_day  of the week, null for the present one
-- Returns     as due_weeks, with fares, due and paid as the columns of week, 0 where nothing was
--             priced so far; no row where there is no token that the participant may see
-- Locks       none
-- Tables      reads week, token, network, tap, setting
CREATE OR REPLACE FUNCTION transit.read_week(p_participant_no integer, p_token uuid, p_day date)
RETURNS TABLE (token uuid, monday date, fares bigint, due bigint, paid bigint, network uuid,
               currency text, rider_class text, read_at timestamptz, today date, days date[],
               tapped_at timestamptz[], gates uuid[], counters bigint[], directions text[],
               stations text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
    WITH found AS (
        SELECT t.id, t.rider_class, n.id AS network, n.currency, c.now,
               transit.service_day(c.now, n.day_begins) AS today
          FROM transit.token t
          JOIN transit.network n ON n.id = t.network
         CROSS JOIN (SELECT ledger.decision_time() AS now) c
         WHERE t.id = p_token AND p_participant_no IN (t.participant_no, n.participant_no)
    ), week AS (
        SELECT f.*, date_trunc('week', coalesce(p_day, f.today))::date AS monday FROM found f)
    SELECT f.id, f.monday, coalesce(w.fares, 0), coalesce(w.due, 0), coalesce(w.paid, 0),
           f.network, f.currency, f.rider_class, f.now, f.today, t.*
      FROM week f
      LEFT JOIN transit.week w ON w.token = f.id AND w.monday = f.monday
     CROSS JOIN LATERAL transit.taps_of(f.id, f.monday) t
$$;
