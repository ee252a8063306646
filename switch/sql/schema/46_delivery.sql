-- Events on their way to participants' callback URLs. Most need no row of their own: those up to
-- the cursor were taken, save the ones that stand in `delivery`; the others lie in the feed.

-- How far a participant's feed was pushed, from the moment it had a callback URL.
CREATE TABLE ledger.delivery_cursor (
    participant_no integer PRIMARY KEY REFERENCES ledger.participant,
    passed_no      bigint NOT NULL CHECK (passed_no >= 0)
) WITH (fillfactor = 50);

-- What was not taken: to be tried again, waiting behind an earlier event of its payment, or dead.
-- It holds all that its event is made of, so it outlives its place in the feed.
CREATE TABLE ledger.delivery (
    participant_no integer NOT NULL REFERENCES ledger.delivery_cursor,
    no             bigint NOT NULL CHECK (no > 0),  -- in the participant's feed
    payment        uuid NOT NULL,  -- its own, or that of its step: events of one are sent in order
    kind           smallint NOT NULL,  -- as in ledger.outbox
    subject        uuid NOT NULL,
    happened_at    timestamptz NOT NULL,
    attempts       integer NOT NULL CHECK (attempts >= 0),
    first_tried_at timestamptz,  -- null before the first attempt
    due_at         timestamptz,  -- null behind an earlier event of the payment, and when dead
    dead_at        timestamptz,
    result         text,  -- of the last attempt, for a person
    PRIMARY KEY (participant_no, no),
    CONSTRAINT dead_is_not_due CHECK (dead_at IS NULL OR due_at IS NULL)
) WITH (fillfactor = 80);

CREATE INDEX delivery_waiting ON ledger.delivery (participant_no, payment, no)
    WHERE dead_at IS NULL;
CREATE INDEX delivery_by_payment ON ledger.delivery (payment);
CREATE INDEX delivery_due ON ledger.delivery (participant_no, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_dead ON ledger.delivery (dead_at) WHERE dead_at IS NOT NULL;

-- What was taken, for timelines, as long as its place in the feed is kept. A turn's new events: all
-- from the first to the last were taken at their first attempt, save some.
CREATE TABLE ledger.delivery_run (
    participant_no integer NOT NULL REFERENCES ledger.delivery_cursor,
    first_no       bigint NOT NULL CHECK (first_no > 0),
    last_no        bigint NOT NULL,
    taken_at       timestamptz NOT NULL,  -- when the turn was recorded
    left_nos       bigint[] NOT NULL,  -- not taken by then, nor maybe ever
    PRIMARY KEY (participant_no, first_no),
    CHECK (first_no <= last_no)
);

-- And one of those, taken later.
CREATE TABLE ledger.delivery_taken (
    participant_no integer NOT NULL REFERENCES ledger.delivery_cursor,
    no             bigint NOT NULL,
    attempts       integer NOT NULL CHECK (attempts > 0),  -- since it was last replayed
    taken_at       timestamptz NOT NULL,
    PRIMARY KEY (participant_no, no)
);
