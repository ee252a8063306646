-- take_taps(gates[], counters[], tokens[], tapped_at[], directions[], stations[], …) → text[]
--
-- Purpose     Takes taps whose signatures were verified: each once, whenever and however often it
--             comes.
-- Parameters  p_gates … p_gate_signatures  as the columns of tap, one element a tap; gate and
--             token of one network, by the caller's word; p_taps_max  of one token and service day
-- Returns     of each tap: taken; known, it was taken before, or stands earlier in this call;
--             counter_reused, its gate has said something else under this counter; no_fares, its
--             network has none for that day; unknown_station, they do not know the station;
--             too_many
-- Locks       the weeks, in the order of token and Monday
-- Tables      inserts tap; inserts and updates week; reads gate, network, fare_table, setting
CREATE OR REPLACE FUNCTION transit.take_taps(
    p_gates uuid[], p_counters bigint[], p_tokens uuid[], p_tapped_at timestamptz[],
    p_directions text[], p_stations text[], p_rider_signatures bytea[], p_gate_signatures bytea[],
    p_taps_max integer) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
DECLARE
    v_now      constant timestamptz := ledger.decision_time();
    v_days     date[];
    v_verdicts text[];  -- null: nothing against it so far
    v_taken    integer[];
BEGIN
    SELECT array_agg(transit.service_day(m.tapped_at, n.day_begins) ORDER BY m.position)
      INTO v_days
      FROM unnest(p_gates, p_tapped_at) WITH ORDINALITY AS m (gate, tapped_at, position)
      JOIN transit.gate g ON g.id = m.gate
      JOIN transit.network n ON n.id = g.network;
    v_verdicts := ARRAY(
        SELECT CASE WHEN f.stations IS NULL THEN 'no_fares'
                    WHEN m.station <> ALL (f.stations) THEN 'unknown_station' END
          FROM unnest(p_gates, p_stations, v_days) WITH ORDINALITY
               AS m (gate, station, day, position)
          JOIN transit.gate g ON g.id = m.gate
          LEFT JOIN LATERAL (SELECT t.stations FROM transit.fare_table t
                              WHERE t.network = g.network AND t.from_day <= m.day
                              ORDER BY t.from_day DESC LIMIT 1) f ON true
         ORDER BY m.position);
    INSERT INTO transit.week (token, monday, taps)
    SELECT DISTINCT m.token, date_trunc('week', m.day)::date, 0
      FROM unnest(p_tokens, v_days, v_verdicts) AS m (token, day, verdict)
     WHERE m.verdict IS NULL
     ORDER BY 1, 2
        ON CONFLICT DO NOTHING;
    PERFORM FROM transit.week w
      WHERE (w.token, w.monday) IN (
            SELECT m.token, date_trunc('week', m.day)::date
              FROM unnest(p_tokens, v_days, v_verdicts) AS m (token, day, verdict)
             WHERE m.verdict IS NULL)
      ORDER BY w.token, w.monday
        FOR NO KEY UPDATE;
    -- From here on nobody else takes a tap of these weeks.
    v_verdicts := ARRAY(
        SELECT CASE
            WHEN m.verdict IS NOT NULL THEN m.verdict
            WHEN NOT m.is_known AND m.rank + (SELECT count(*) FROM transit.tap o
                                               WHERE o.token = m.token AND o.day = m.day)
                 > p_taps_max THEN 'too_many'
            END
          FROM (SELECT k.*, row_number() OVER (PARTITION BY k.token, k.day, k.verdict, k.is_known
                                               ORDER BY k.position) AS rank
                  FROM (SELECT u.*, t.gate IS NOT NULL AS is_known
                          FROM unnest(p_gates, p_counters, p_tokens, v_days, v_verdicts)
                               WITH ORDINALITY AS u (gate, counter, token, day, verdict, position)
                          LEFT JOIN transit.tap t ON t.gate = u.gate AND t.counter = u.counter) k
               ) m
         ORDER BY m.position);
    WITH new AS (
        INSERT INTO transit.tap
            (gate, counter, token, day, tapped_at, direction, station, rider_signature,
             gate_signature, taken_at)
        SELECT m.gate, m.counter, m.token, m.day, m.tapped_at, m.direction, m.station,
               m.rider_signature, m.gate_signature, v_now
          FROM unnest(p_gates, p_counters, p_tokens, v_days, p_tapped_at, p_directions, p_stations,
                      p_rider_signatures, p_gate_signatures, v_verdicts) WITH ORDINALITY
               AS m (gate, counter, token, day, tapped_at, direction, station, rider_signature,
                     gate_signature, verdict, position)
         WHERE m.verdict IS NULL
         ORDER BY m.gate, m.counter, m.position
            ON CONFLICT DO NOTHING
        RETURNING gate, counter, token, day
    ), counted AS (
        UPDATE transit.week w SET taps = w.taps + n.count, look_at = v_now
          FROM (SELECT token, date_trunc('week', day)::date AS monday, count(*) AS count
                  FROM new GROUP BY 1, 2) n
         WHERE w.token = n.token AND w.monday = n.monday
    )
    SELECT array_agg(m.position)
      INTO v_taken
      FROM (SELECT min(u.position) AS position
              FROM unnest(p_gates, p_counters, v_verdicts) WITH ORDINALITY
                   AS u (gate, counter, verdict, position)
              JOIN new USING (gate, counter)
             WHERE u.verdict IS NULL
             GROUP BY gate, counter) m;
    RETURN ARRAY(
        SELECT CASE
            WHEN m.verdict IS NOT NULL THEN m.verdict
            WHEN m.position = ANY (coalesce(v_taken, '{}')) THEN 'taken'
            WHEN (t.token, t.tapped_at, t.direction, t.station)
                 = (m.token, m.tapped_at, m.direction, m.station) THEN 'known'
            ELSE 'counter_reused' END
          FROM unnest(p_gates, p_counters, p_tokens, p_tapped_at, p_directions, p_stations,
                      v_verdicts) WITH ORDINALITY
               AS m (gate, counter, token, tapped_at, direction, station, verdict, position)
          LEFT JOIN transit.tap t ON t.gate = m.gate AND t.counter = m.counter
         ORDER BY m.position);
END $$;
