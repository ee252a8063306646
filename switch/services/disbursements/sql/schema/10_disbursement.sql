-- Disbursements: one instruction with many payouts.

CREATE TABLE disbursements.disbursement (
    id             uuid PRIMARY KEY,
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- the payer's
    payer          uuid NOT NULL,
    currency       text NOT NULL,
    purpose        text NOT NULL,
    count          integer NOT NULL CHECK (count > 0),  -- of payouts, as the draft says
    total          bigint NOT NULL CHECK (total > 0),
    status         text NOT NULL DEFAULT 'draft' CHECK (
        status IN ('draft', 'submitted', 'paying', 'paused', 'done', 'cancelled')),
    reason         text,  -- why it is paused, where nobody asked for that
    given          integer NOT NULL DEFAULT 0 CHECK (given >= 0),  -- payouts of its parts so far
    given_total    bigint NOT NULL DEFAULT 0 CHECK (given_total >= 0),
    last_line      integer NOT NULL DEFAULT 0,  -- up to which all were tried
    paid           integer NOT NULL DEFAULT 0 CHECK (paid >= 0),
    paid_total     bigint NOT NULL DEFAULT 0 CHECK (paid_total >= 0),
    declined       integer NOT NULL DEFAULT 0 CHECK (declined >= 0),
    runs           integer NOT NULL DEFAULT 0,
    parts          integer NOT NULL DEFAULT 0,
    -- Since it pays without a break, and what was done before: for its rate.
    resumed_at   timestamptz,
    done_before    integer NOT NULL DEFAULT 0,
    last_paid_at     timestamptz,
    created_at     timestamptz NOT NULL,
    CONSTRAINT not_more_than_given CHECK (paid + declined <= given AND paid_total <= given_total)
) WITH (fillfactor = 70);
CREATE INDEX disbursement_by_participant ON disbursements.disbursement (participant_no, id);
CREATE INDEX disbursement_paying ON disbursements.disbursement (id) WHERE status = 'paying';

CREATE TABLE disbursements.part (
    disbursement uuid NOT NULL REFERENCES disbursements.disbursement,
    digest       bytea NOT NULL,  -- SHA-256 of its lines: the same part again adds nothing
    number       integer NOT NULL,  -- in the order in which they came, from 1
    lines        integer NOT NULL,
    PRIMARY KEY (disbursement, digest)
);

-- A line never changes; what became of it is in `run`.
CREATE TABLE disbursements.payout (
    amount       bigint NOT NULL CHECK (amount > 0),
    line         integer NOT NULL CHECK (line > 0),
    disbursement uuid NOT NULL,
    account      uuid NOT NULL,
    reference    text NOT NULL,
    PRIMARY KEY (disbursement, line)
);
CREATE UNIQUE INDEX payout_once ON disbursements.payout (disbursement, account, reference);

-- What was decided together. A line whose payer was short is in no run: it is in `short`.
CREATE TABLE disbursements.run (
    disbursement uuid NOT NULL,
    number       integer NOT NULL,  -- from 1
    decided_at   timestamptz NOT NULL,
    lines        integer[] NOT NULL,
    payments     uuid[] NOT NULL,
    outcomes     smallint[] NOT NULL,  -- ledger.outcome; null where the key was spent on another
    PRIMARY KEY (disbursement, number)
);

-- Lines to be tried again, each time under another key.
CREATE TABLE disbursements.short (
    disbursement uuid NOT NULL,
    line         integer NOT NULL,
    attempts     smallint NOT NULL CHECK (attempts > 0),
    PRIMARY KEY (disbursement, line)
);

-- Who did what, and what was answered. Rows are only added.
CREATE TABLE disbursements.act (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    disbursement   uuid NOT NULL REFERENCES disbursements.disbursement,
    participant_no integer NOT NULL,  -- 0 the operator
    key            text,  -- of the message; null for the operator
    signed_by      text NOT NULL,  -- the id of the key that signed, or `operator`
    act            text NOT NULL CHECK (
        act IN ('create', 'part', 'submit', 'approve', 'pause', 'resume', 'cancel')),
    part           integer,
    lines          integer,
    status         text NOT NULL,  -- afterwards
    at             timestamptz NOT NULL,
    UNIQUE (participant_no, key)
);
CREATE INDEX act_by_disbursement ON disbursements.act (disbursement, number);

-- What was given, decided and done stays as it is, for the functions as well.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON disbursements.part
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON disbursements.part
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON disbursements.payout
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON disbursements.payout
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON disbursements.run
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON disbursements.run
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON disbursements.act
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON disbursements.act
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_rewriting();
