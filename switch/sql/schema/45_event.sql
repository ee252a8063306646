-- What participants are told. The transaction that decides something leaves it in the outbox; the
-- sequencer gives it its number in the feed of each participant.

-- Taken out by the sequencer within a second; read whole each time, so it has no index. A batch of
-- payments leaves one row, in the order of its decisions.
CREATE TABLE ledger.outbox (
    happened_at timestamptz NOT NULL,
    no          bigint GENERATED ALWAYS AS IDENTITY,  -- drawn under the locks of the decisions
    kind        ledger.event_kind NOT NULL,
    subjects    uuid[] NOT NULL,  -- the payments or steps, or the key's change
    -- Of each subject: the participants that hold the accounts, or whose key it is, and null. An
    -- account changes its state, never its participant.
    payer_sides integer[] NOT NULL,
    payee_sides integer[] NOT NULL,
    CONSTRAINT told_to_somebody CHECK (
        cardinality(subjects) > 0 AND cardinality(payer_sides) = cardinality(subjects)
        AND cardinality(payee_sides) = cardinality(subjects)
        AND array_position(payer_sides, null) IS NULL
        AND (kind IN (3, 4) OR array_position(payee_sides, null) IS NULL))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_threshold = -1);

-- Who has a feed, and how far it goes.
CREATE TABLE ledger.event_feed (
    participant_no integer PRIMARY KEY REFERENCES ledger.participant,
    last_no        bigint NOT NULL DEFAULT 0 CHECK (last_no >= 0),
    pruned_no      bigint NOT NULL DEFAULT 0 CHECK (pruned_no BETWEEN 0 AND last_no)
) WITH (fillfactor = 50);

-- A run of a participant's events, numbered from first_no without gaps.
CREATE TABLE ledger.event_run (
    participant_no integer NOT NULL REFERENCES ledger.event_feed,
    first_no       bigint NOT NULL CHECK (first_no > 0),
    sequenced_at   timestamptz NOT NULL,
    kinds          smallint[] NOT NULL,
    subjects       uuid[] NOT NULL,
    happened_at    timestamptz[] NOT NULL,
    PRIMARY KEY (participant_no, first_no),
    CHECK (cardinality(subjects) > 0 AND cardinality(subjects) = cardinality(kinds)
           AND cardinality(subjects) = cardinality(happened_at))
);
ALTER TABLE ledger.event_run  -- as those of fold
    ALTER kinds SET STATISTICS 0, ALTER subjects SET STATISTICS 0,
    ALTER happened_at SET STATISTICS 0;
CREATE INDEX event_run_by_age ON ledger.event_run (sequenced_at);
CREATE INDEX event_run_of_participant ON ledger.event_run (participant_no, sequenced_at);

-- One row: whoever sequences holds it.
CREATE TABLE ledger.event_sequencer (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO ledger.event_sequencer DEFAULT VALUES;

-- What happened to participants' keys, whoever did it: each is an event of its participant.
CREATE TABLE ledger.key_change (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    participant_no integer NOT NULL,
    name           text NOT NULL,
    change         text NOT NULL CHECK (change IN ('added', 'introduced', 'confirmed', 'revoked')),
    by_key         text,  -- which signed for it, null when the operator did it
    happened_at    timestamptz NOT NULL,
    FOREIGN KEY (participant_no, name) REFERENCES ledger.participant_key
);

CREATE FUNCTION ledger.tell_key_change() RETURNS trigger LANGUAGE plpgsql SET search_path = ledger,
    pg_temp AS $$
DECLARE
    v_change ledger.key_change;
BEGIN
    v_change.id := gen_random_uuid();
    v_change.participant_no := NEW.participant_no;
    v_change.name := NEW.name;
    v_change.change := CASE WHEN TG_OP = 'INSERT' AND NEW.introduced_by IS NULL THEN 'added'
                            WHEN TG_OP = 'INSERT' THEN 'introduced'
                            WHEN NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN 'revoked'
                            WHEN NEW.confirmed_at IS DISTINCT FROM OLD.confirmed_at
                                THEN 'confirmed' END;
    v_change.by_key := CASE v_change.change WHEN 'introduced' THEN NEW.introduced_by
                                            WHEN 'revoked' THEN NEW.revoked_by END;
    v_change.happened_at := CASE v_change.change WHEN 'revoked' THEN NEW.revoked_at
                                                 WHEN 'confirmed' THEN NEW.confirmed_at
                                                 ELSE NEW.created_at END;
    IF v_change.change IS NOT NULL THEN
        INSERT INTO ledger.key_change SELECT v_change.*;
        INSERT INTO ledger.outbox (happened_at, kind, subjects, payer_sides, payee_sides)
        VALUES (v_change.happened_at, 4, ARRAY[v_change.id], ARRAY[NEW.participant_no],
                ARRAY[null::integer]);
    END IF;
    RETURN null;
END $$;

CREATE TRIGGER tell_key_change AFTER INSERT OR UPDATE ON ledger.participant_key
    FOR EACH ROW EXECUTE FUNCTION ledger.tell_key_change();
