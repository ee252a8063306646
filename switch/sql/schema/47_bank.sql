-- Banks that hold the money themselves: payments that wait for one, and what banks are asked.

-- A payment or refund that is accepted and not decided. Its decision takes it out of here: the row
-- of `payment` is written in the same transaction, under the same id.
CREATE TABLE ledger.pending_payment (
    created_at      timestamptz NOT NULL,
    no              bigint GENERATED ALWAYS AS IDENTITY,  -- the order in which they are begun
    amount          bigint NOT NULL CHECK (amount > 0),
    expires_at      timestamptz,
    hold_expires_at timestamptz,
    deadline_at     timestamptz,  -- until when the payer's bank may answer
    participant_no  integer NOT NULL,
    hold_seconds    integer,
    key_no          integer,
    queue_us        integer,
    work_us         integer,
    shard           smallint NOT NULL DEFAULT 0,
    type            smallint NOT NULL,
    -- 0 accepted, 1 the payer's bank is asked, 2 the payee's bank is told. From 1 on its amount is
    -- reserved: `keeper` holds it, and `taker` is credited in the end. They are the accounts of
    -- payer and payee, or the positions of their banks.
    stage           smallint NOT NULL CHECK (stage IN (0, 1, 2)),
    is_counted      boolean NOT NULL DEFAULT false,  -- in the keeper's day
    id              uuid NOT NULL,
    payer           uuid NOT NULL,
    payee           uuid NOT NULL,
    parent          uuid,
    keeper          uuid,
    taker           uuid,
    currency        text NOT NULL,
    key             text NOT NULL,
    reference       text,
    payee_reference text,
    description     text,
    metadata        text,
    traceparent     text,
    span_id         text,
    PRIMARY KEY (id, shard),
    CONSTRAINT reserved_once_begun CHECK ((stage = 0) = (keeper IS NULL)
                                          AND (stage = 0) = (taker IS NULL)),
    CONSTRAINT asked_until CHECK (stage <> 1 OR deadline_at IS NOT NULL)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE INDEX pending_payment_new ON ledger.pending_payment (no) WHERE stage = 0;
CREATE INDEX pending_payment_by_parent ON ledger.pending_payment (parent)
    WHERE parent IS NOT NULL;
CREATE INDEX pending_payment_asked ON ledger.pending_payment (deadline_at) WHERE stage = 1;

-- What a bank is asked about a payment, each at most once a kind, however often it is sent.
CREATE TABLE ledger.bank_call (
    payment        uuid NOT NULL,
    -- 1 may the account pay, 2 money for the account, 3 what was asked counts for nothing
    kind           smallint NOT NULL CHECK (kind IN (1, 2, 3)),
    attempts       integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),  -- that have ended
    participant_no integer NOT NULL REFERENCES ledger.participant,
    account        uuid NOT NULL,
    created_at     timestamptz NOT NULL,
    due_at         timestamptz NOT NULL,
    is_under_way   boolean NOT NULL DEFAULT false,
    tried_at       timestamptz,  -- when the last attempt ended
    finished_at    timestamptz,
    -- approved, declined, accepted, refused or acknowledged, by the bank; or what the switch took
    -- it for: timeout, unknown (the answer is not to be trusted), unavailable; or given_up, by the
    -- operator, a credit or a reversal
    decision       text,
    result         text,  -- of the last attempt, for a person; where it was given up, why
    PRIMARY KEY (payment, kind),
    CONSTRAINT finished_with_decision CHECK ((finished_at IS NULL) = (decision IS NULL)),
    CONSTRAINT given_up_with_reason CHECK (
        decision IS NULL OR decision <> 'given_up' OR (kind <> 1 AND result IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX bank_call_due ON ledger.bank_call (participant_no, (kind <> 1), due_at)
    WHERE finished_at IS NULL AND NOT is_under_way;
CREATE INDEX bank_call_open ON ledger.bank_call (participant_no, kind) WHERE finished_at IS NULL;
CREATE INDEX bank_call_finished ON ledger.bank_call (finished_at) WHERE decision <> 'given_up';
CREATE INDEX bank_call_given_up ON ledger.bank_call (participant_no, kind)
    WHERE decision = 'given_up';

-- Banks that could not be asked about a payment more a moment ago: until that is forgotten, their
-- payers are declined in the transaction that decides, as long as it is still so. It is a memory
-- only: without a row the payment waits until it is begun, and is declined then.
CREATE TABLE ledger.bank_room (
    participant_no integer PRIMARY KEY REFERENCES ledger.participant,
    calls_max      integer NOT NULL CHECK (calls_max >= 0),  -- authorizations that may be open
    forgotten_at   timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Every payment that is known, decided or not.
CREATE VIEW ledger.known_payment AS
    SELECT shard, id, participant_no, payer, payee, reference, created_at FROM ledger.payment
     UNION ALL
    SELECT shard, id, participant_no, payer, payee, reference, created_at
      FROM ledger.pending_payment;

-- A decision, or what waits for one (then its outcome is null), with its names, from which every
-- answer is rendered, and what became of it since.
CREATE VIEW ledger.payment_answer AS
    SELECT y.shard, y.participant_no, y.id, y.key, c.digest, p.id AS participant, t.name AS type,
           y.payer, y.payee, y.amount, y.currency, y.expires_at, y.reference, y.payee_reference,
           y.description, y.metadata, y.parent, y.mandate, y.request, y.coupon,
           y.final,
           y.hold_seconds, y.hold_expires_at, y.outcome, y.answer_version, y.created_at,
           s.captured, s.voided, s.refunded,
           s.captured + s.voided + s.expired < s.amount AS is_held
      FROM ledger.payment y
      LEFT JOIN ledger.payment_type t ON t.code = y.type
      JOIN ledger.participant p ON p.participant_no = y.participant_no
      JOIN ledger.key_claim c ON c.participant_no = y.participant_no AND c.key = y.key
      LEFT JOIN ledger.payment_state s ON s.shard = y.shard AND s.payment = y.id
     UNION ALL
    SELECT w.shard, w.participant_no, w.id, w.key, c.digest, p.id, t.name,
           w.payer, w.payee, w.amount, w.currency, w.expires_at, w.reference, w.payee_reference,
           w.description, w.metadata, w.parent, null, null, null, null, w.hold_seconds, null,
           null, 1::smallint, w.created_at,
           null, null, null, null
      FROM ledger.pending_payment w
      JOIN ledger.payment_type t ON t.code = w.type
      JOIN ledger.participant p ON p.participant_no = w.participant_no
      JOIN ledger.key_claim c ON c.participant_no = w.participant_no AND c.key = w.key;
