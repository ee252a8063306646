-- Decisions. A row is written once, by the transaction that decided it, and never again.

CREATE TABLE ledger.outcome (
    code smallint PRIMARY KEY,
    name text NOT NULL UNIQUE
);
INSERT INTO ledger.outcome (code, name) VALUES
    (0, 'approved'),
    (20, 'expired'),
    (30, 'not_permitted'),
    (40, 'payee_not_found'),
    (50, 'same_account'),
    (60, 'currency_mismatch'),
    (70, 'payer_frozen'),
    (80, 'payer_closed'),
    (90, 'payee_closed'),
    (100, 'payment_limit_exceeded'),
    (110, 'daily_limit_exceeded'),
    (120, 'payee_balance_limit_exceeded'),
    (130, 'insufficient_funds');

-- The types of payments: between which kinds of accounts, and whether the amount counts for the
-- payer's limits. Only the operator's functions write the types from 101 on.
CREATE TABLE ledger.payment_type (
    code           smallint PRIMARY KEY,
    name           text NOT NULL UNIQUE,
    payer_kinds    text[] NOT NULL,
    payee_kinds    text[] NOT NULL,
    counts_per_day boolean NOT NULL
);
INSERT INTO ledger.payment_type (code, name, counts_per_day, payer_kinds, payee_kinds) VALUES
    (1, 'purchase', true, '{wallet,merchant,government}', '{merchant,government}'),
    (2, 'transfer', true, '{wallet,merchant,government,position}',
                          '{wallet,merchant,government,position,external}'),
    (3, 'top_up', false, '{position}', '{wallet}'),
    (4, 'withdrawal', true, '{wallet}', '{position,external}'),
    (101, 'issue', false, '{issuance}', '{position,wallet,merchant,government,fee}'),
    (102, 'redeem', false, '{position,wallet,merchant,government,fee}', '{issuance}'),
    (103, 'reversal', false, '{}', '{}');

-- A key belongs to the participant for ever: one claim, whatever the operation.
CREATE TABLE ledger.key_claim (
    participant_no integer NOT NULL,
    -- 1 a payment, 2 something about an account
    operation      smallint NOT NULL CHECK (operation IN (1, 2)),
    -- the payment's or the account's id
    subject        uuid NOT NULL,
    digest         bytea NOT NULL CHECK (octet_length(digest) = 32),
    key            text NOT NULL CHECK (length(key) BETWEEN 1 AND 64),
    PRIMARY KEY (participant_no, key)
);

CREATE TABLE ledger.payment (
    created_at          timestamptz NOT NULL,
    amount              bigint NOT NULL CHECK (amount > 0),
    payer_posting_no    bigint CHECK (payer_posting_no > 0),
    payer_balance_after bigint,
    expires_at          timestamptz,
    participant_no      integer NOT NULL,
    shard               smallint NOT NULL DEFAULT 0,
    type                smallint NOT NULL,
    outcome             smallint NOT NULL,
    answer_version      smallint NOT NULL DEFAULT 1,
    id                  uuid NOT NULL,
    payer               uuid NOT NULL,
    payee               uuid NOT NULL,
    parent              uuid,
    currency            text NOT NULL,
    key                 text NOT NULL,
    reference           text,
    payee_reference     text,
    description         text,
    metadata            text,
    PRIMARY KEY (shard, id),
    CONSTRAINT approved_is_posted CHECK (
        (outcome = 0) = (payer_posting_no IS NOT NULL AND payer_balance_after IS NOT NULL))
);

CREATE UNIQUE INDEX payment_by_posting ON ledger.payment (shard, payer, payer_posting_no)
    WHERE payer_posting_no IS NOT NULL;
CREATE INDEX payment_by_payer ON ledger.payment (shard, payer, id);
CREATE INDEX payment_by_payee ON ledger.payment (shard, payee, id);
CREATE INDEX payment_by_participant ON ledger.payment (participant_no, id);
CREATE INDEX payment_by_reference ON ledger.payment (participant_no, reference, id)
    WHERE reference IS NOT NULL;
CREATE UNIQUE INDEX payment_reversed_once ON ledger.payment (shard, parent) WHERE type = 103
    AND outcome = 0;

-- The legs of the money that moved; a payment with one leg stands for its own.
CREATE VIEW ledger.transfer AS
    SELECT shard, id, id AS payment_id, payer, payee, amount, currency,
           payer_posting_no, payer_balance_after, created_at
      FROM ledger.payment
     WHERE outcome = 0;

-- One posting of an account that added credits up: which, in order of their ids, and from which
-- balance.
CREATE TABLE ledger.fold (
    shard           smallint NOT NULL DEFAULT 0,
    account         uuid NOT NULL,
    posting_no      bigint NOT NULL CHECK (posting_no > 0),
    opening_balance bigint NOT NULL,
    folded_at       timestamptz NOT NULL,
    transfer_ids    uuid[] NOT NULL,
    amounts         bigint[] NOT NULL,
    PRIMARY KEY (shard, account, posting_no),
    CHECK (cardinality(transfer_ids) > 0 AND cardinality(transfer_ids) = cardinality(amounts))
);

-- What the books check found, so that its age and result can be watched.
CREATE TABLE ledger.books_check (
    checked_at timestamptz PRIMARY KEY,
    deviations integer NOT NULL CHECK (deviations >= 0)
);

-- A decision with its names, from which every answer is rendered.
CREATE VIEW ledger.payment_answer AS
    SELECT y.shard, y.participant_no, y.id, y.key, c.digest, p.id AS participant, t.name AS type,
           y.payer, y.payee,
           y.amount, y.currency, y.expires_at, y.reference, y.payee_reference, y.description,
               y.metadata, y.parent,
           y.outcome, y.answer_version, y.created_at
      FROM ledger.payment y
      JOIN ledger.payment_type t ON t.code = y.type
      JOIN ledger.participant p ON p.participant_no = y.participant_no
      JOIN ledger.key_claim c ON c.participant_no = y.participant_no AND c.key = y.key;
