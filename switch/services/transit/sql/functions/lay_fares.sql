-- lay_fares(participant_no, key, digest, id, network, from_day, stations[], …) → one row
--
-- Purpose     Lays down the fares of a network from a service day on, for its operator's signed
--             message, once a key. Days that have begun keep theirs.
-- Parameters  p_participant_no, p_key, p_digest  as give_network; p_id  what the table is called if
--             this message lays it; p_ahead_max  tables for days to come; the others as the columns
-- Returns     disposition  0 laid now, 1 before by the same message, 2 the key was spent on
--             something else, 4 no such network of the participant, 5 barred, 6 the day has begun,
--             and it is not the network's first table, 7 it has a table from that day on, 8 it has
--             too many for days to come (4 and 6 to 8 spend no key); fares  where it is 0 or 1
-- Locks       the network, then the key claim
-- Tables      as ledger.claim_subject; inserts fare_table; reads network, setting
CREATE OR REPLACE FUNCTION transit.lay_fares(
    p_participant_no integer, p_key text, p_digest bytea, p_id uuid, p_network uuid,
    p_from_day date, p_stations text[], p_content text, p_ahead_max integer,
    OUT disposition smallint, OUT fares transit.fare_table)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = transit, pg_temp
AS $$
DECLARE
    v_network transit.network;
    v_now     constant timestamptz := ledger.decision_time();
    v_subject uuid;
BEGIN
    SELECT * INTO v_network FROM transit.network n
     WHERE n.id = p_network AND n.participant_no = p_participant_no FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    IF NOT ledger.is_spent(p_participant_no, p_key) THEN
        IF EXISTS (SELECT FROM transit.fare_table f
                    WHERE f.network = p_network AND f.from_day = p_from_day) THEN
            disposition := 7;
        ELSIF p_from_day <= transit.service_day(v_now, v_network.day_begins)
              AND EXISTS (SELECT FROM transit.fare_table f WHERE f.network = p_network) THEN
            disposition := 6;
        ELSIF (SELECT count(*) FROM transit.fare_table f
                WHERE f.network = p_network
                  AND f.from_day > transit.service_day(v_now, v_network.day_begins))
              >= p_ahead_max THEN
            disposition := 8;
        END IF;
        IF disposition IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    SELECT c.disposition, c.subject INTO STRICT disposition, v_subject
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_id, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO transit.fare_table (network, from_day, id, stations, content, created_at)
        VALUES (p_network, p_from_day, p_id, p_stations, p_content, v_now);
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT fares FROM transit.fare_table f WHERE f.id = v_subject;
    END IF;
END $$;
