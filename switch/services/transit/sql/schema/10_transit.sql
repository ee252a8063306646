-- Transit: networks with their fares and gates, tokens of riders, taps, and what came of them.

CREATE TABLE transit.network (
    id             uuid PRIMARY KEY,
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- who runs it
    account        uuid NOT NULL,
    currency       text NOT NULL,
    name           text NOT NULL,
    day_begins     time NOT NULL,  -- of service days, in the ledger's time zone
    settle_minutes integer NOT NULL CHECK (settle_minutes >= 0),  -- after a service day's end
    liability_max  bigint NOT NULL CHECK (liability_max > 0),  -- of a token: what it may owe
    denials        bigint NOT NULL DEFAULT 0,  -- changes of its deny list so far
    created_at     timestamptz NOT NULL
);

-- The one of a service day is the last that is valid by then. It never changes.
CREATE TABLE transit.fare_table (
    network    uuid NOT NULL REFERENCES transit.network,
    from_day   date NOT NULL,
    id         uuid NOT NULL UNIQUE,
    stations   text[] NOT NULL,
    content    text NOT NULL,  -- JSON, as it was checked
    created_at timestamptz NOT NULL,
    PRIMARY KEY (network, from_day)
);

CREATE TABLE transit.gate (
    id         uuid PRIMARY KEY,
    network    uuid NOT NULL REFERENCES transit.network,
    name       text NOT NULL,
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    created_at timestamptz NOT NULL,
    closed_at  timestamptz  -- from then on nothing it says counts
);

-- Who holds the secret half of its key rides, and its mandate pays.
CREATE TABLE transit.token (
    id             uuid PRIMARY KEY,
    network        uuid NOT NULL REFERENCES transit.network,
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- who answers for the rider
    mandate        uuid NOT NULL,
    public_key     bytea NOT NULL CHECK (octet_length(public_key) = 32),
    rider_class    text NOT NULL,
    liability_max  bigint NOT NULL,
    not_before     timestamptz NOT NULL,
    not_after      timestamptz NOT NULL,
    created_at     timestamptz NOT NULL,
    signed         text NOT NULL,  -- the token itself, as it was issued
    blocked_at     timestamptz,
    CONSTRAINT valid_for_some_time CHECK (not_before < not_after)
);

-- A gate counts its taps, so each counts once however often it is told.
CREATE TABLE transit.tap (
    gate            uuid NOT NULL REFERENCES transit.gate,
    counter         bigint NOT NULL CHECK (counter >= 0),
    token           uuid NOT NULL REFERENCES transit.token,
    day             date NOT NULL,  -- the service day
    tapped_at       timestamptz NOT NULL,
    direction       text NOT NULL CHECK (direction IN ('in', 'out', 'board')),
    station         text NOT NULL,
    rider_signature bytea NOT NULL,  -- with the gate's, proof of the tap
    gate_signature  bytea NOT NULL,
    taken_at        timestamptz NOT NULL,
    PRIMARY KEY (gate, counter)
);
CREATE INDEX tap_by_token ON transit.tap (token, day);

-- What a token rode from a Monday to the Sunday after, and what was paid for it.
CREATE TABLE transit.week (
    token    uuid NOT NULL REFERENCES transit.token,
    monday   date NOT NULL CHECK (extract(isodow FROM monday) = 1),
    taps     integer NOT NULL,
    fares    bigint NOT NULL DEFAULT 0 CHECK (fares >= 0),  -- of all rides that were priced
    due      bigint NOT NULL DEFAULT 0,  -- of the days that are over
    paid     bigint NOT NULL DEFAULT 0 CHECK (paid >= 0),  -- without what was given back
    runs     integer NOT NULL DEFAULT 0,  -- payments and refunds that were asked for
    failures smallint NOT NULL DEFAULT 0,  -- in a row
    retry_at timestamptz,  -- before then it is not asked for again, once that failed
    look_at  timestamptz,  -- when it is to be priced and paid; null: when something comes
    PRIMARY KEY (token, monday),
    CONSTRAINT due_of_what_was_ridden CHECK (due BETWEEN 0 AND fares)
) WITH (fillfactor = 70);
CREATE INDEX week_to_look_at ON transit.week (look_at) WHERE look_at IS NOT NULL;

-- The payments by which weeks were paid, and what was given back of each.
CREATE TABLE transit.charge (
    token      uuid NOT NULL,
    monday     date NOT NULL,
    run        integer NOT NULL,
    payment    uuid NOT NULL UNIQUE,
    amount     bigint NOT NULL CHECK (amount > 0),
    given_back bigint NOT NULL DEFAULT 0 CHECK (given_back BETWEEN 0 AND amount),
    PRIMARY KEY (token, monday, run),
    FOREIGN KEY (token, monday) REFERENCES transit.week
);

-- The deny list of each network: the latest change of each token that was ever on it.
CREATE TABLE transit.denial (
    token      uuid PRIMARY KEY REFERENCES transit.token,
    network    uuid NOT NULL REFERENCES transit.network,
    number     bigint NOT NULL,  -- of the change; numbers are committed in their order
    reason     text CHECK (reason IN ('blocked', 'debt', 'liability')),  -- null: on it no more
    changed_at timestamptz NOT NULL,
    UNIQUE (network, number)
);
