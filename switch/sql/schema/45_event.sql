-- What participants are told. The transaction that decides something leaves it in the outbox; the
-- sequencer, behind all open transactions, gives it its number in the feed of each participant.

-- Taken out by the sequencer within a second; read whole each time, so it has no index.
CREATE TABLE ledger.outbox (
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    no          bigint GENERATED ALWAYS AS IDENTITY,  -- order within the transaction
    happened_at timestamptz NOT NULL,
    -- 1 the payment or step was approved, 2 what was held has expired, 3 the payment or step that
    -- waited for a bank was declined: told to the payer's side alone
    kind        smallint NOT NULL CHECK (kind IN (1, 2, 3)),
    subject     uuid NOT NULL,  -- the payment or step
    payer       uuid NOT NULL,
    payee       uuid NOT NULL
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
CREATE INDEX event_run_by_age ON ledger.event_run (sequenced_at);
CREATE INDEX event_run_of_participant ON ledger.event_run (participant_no, sequenced_at);

-- One row: whoever sequences holds it.
CREATE TABLE ledger.event_sequencer (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO ledger.event_sequencer DEFAULT VALUES;
