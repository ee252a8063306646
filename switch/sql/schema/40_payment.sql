-- Decisions. A row is written once, by the transaction that decided it, and never again.

CREATE TABLE ledger.outcome (
    code smallint PRIMARY KEY,
    name text NOT NULL UNIQUE
);
INSERT INTO ledger.outcome (code, name) VALUES
    (0, 'approved'),
    (10, 'barred'),
    (20, 'expired'),
    (24, 'payment_not_found'),
    (30, 'not_permitted'),
    (31, 'mandate_not_found'),
    (32, 'wrong_state'),
    (33, 'mandate_ended'),
    (34, 'hold_expired'),
    (35, 'request_not_found'),
    (36, 'exceeds_held'),
    (37, 'request_ended'),
    (38, 'exceeds_captured'),
    (40, 'payee_not_found'),
    (50, 'same_account'),
    (60, 'currency_mismatch'),
    (70, 'payer_frozen'),
    (80, 'payer_closed'),
    (90, 'payee_closed'),
    (100, 'payment_limit_exceeded'),
    (104, 'mandate_used'),
    (106, 'mandate_limit_exceeded'),
    (107, 'request_paid'),
    (108, 'request_amount_mismatch'),
    (110, 'daily_limit_exceeded'),
    (111, 'coupon_not_found'),
    (112, 'coupon_ended'),
    (113, 'coupon_not_applicable'),
    (114, 'coupon_used'),
    (115, 'yearly_limit_exceeded'),
    (120, 'payee_balance_limit_exceeded'),
    (130, 'insufficient_funds'),
    (140, 'issuer_unavailable'),
    (150, 'issuer_declined'),
    (160, 'issuer_timeout');

-- The types of payments: between which kinds of accounts, and whether the amount counts for the
-- payer's limits. Steps of a payment are 11 to 13, and 0 is a key that was barred; both are decided
-- by functions of their own. Only the operator's functions write the types from 101 on.
CREATE TABLE ledger.payment_type (
    code           smallint PRIMARY KEY,
    name           text NOT NULL UNIQUE,
    payer_kinds    text[] NOT NULL,
    payee_kinds    text[] NOT NULL,
    counts_per_day boolean NOT NULL
);
INSERT INTO ledger.payment_type (code, name, counts_per_day, payer_kinds, payee_kinds) VALUES
    (1, 'purchase', true, '{wallet,merchant,government,external}', '{merchant,government}'),
    (2, 'transfer', true, '{wallet,merchant,government,position,external}',
                          '{wallet,merchant,government,position,external,purse,campaign}'),
    (3, 'top_up', false, '{position}', '{wallet}'),
    (4, 'withdrawal', true, '{wallet}', '{position,external}'),
    (11, 'capture', false, '{}', '{}'),
    (12, 'void', false, '{}', '{}'),
    (13, 'refund', false, '{}', '{}'),
    (101, 'issue', false, '{issuance}', '{position,wallet,merchant,government,fee}'),
    (102, 'redeem', false, '{position,wallet,merchant,government,fee}', '{issuance}'),
    (103, 'reversal', false, '{}', '{}'),
    (104, 'expiry', false, '{purse,campaign}', '{government,merchant,wallet}');

-- A key belongs to the participant for ever: one claim, whatever the operation.
CREATE TABLE ledger.key_claim (
    participant_no integer NOT NULL,
    operation      ledger.claimed_operation NOT NULL,
    -- the payment's, the account's or the key operation's id
    subject        uuid NOT NULL,
    digest         ledger.sha256 NOT NULL,
    key            ledger.idempotency_key NOT NULL,
    PRIMARY KEY (participant_no, key)
);

-- A decision: of a payment, of a step of one (then `parent` is the payment), or that a key is
-- barred (then nothing was asked for). A step of a payment that its sender may not see has no
-- accounts.
CREATE TABLE ledger.payment (
    created_at          timestamptz NOT NULL,
    amount              bigint CHECK (amount > 0),
    drawn               bigint,  -- of it, what `draw` debits instead of the payer
    split               bigint,  -- what `split` credits instead of the payee
    payer_posting_no    bigint CHECK (payer_posting_no > 0),
    payer_balance_after bigint,
    expires_at          timestamptz,
    hold_expires_at     timestamptz,
    participant_no      integer NOT NULL,
    hold_seconds        integer,
    -- Of the message: participant_key.key_no of its signature; how long it waited in its worker;
    -- from then until the ledger had decided the batch, waiting for locks included, the commit not.
    key_no              integer,
    queue_us            integer,
    work_us             integer,
    -- When it waited for a bank: until then. Null where it was decided at created_at.
    decided_at          timestamptz,
    shard               smallint NOT NULL DEFAULT 0,
    type                smallint NOT NULL,
    outcome             smallint NOT NULL,
    answer_version      smallint NOT NULL DEFAULT 1,
    final               boolean,
    -- True where a bank is on one side and `leg` says what moved; null where this row does.
    has_leg             boolean CHECK (has_leg),
    id                  uuid NOT NULL,
    payer               uuid,
    payee               uuid,
    parent              uuid,
    mandate             uuid,  -- by which the payee took it
    request             uuid,  -- the payment request that it pays
    coupon              uuid,
    currency            text,
    key                 text NOT NULL,
    reference           text,
    payee_reference     text,
    description         text,
    metadata            text,
    traceparent         text,  -- as it was sent (W3C Trace Context), and the switch's part of it
    span_id             text,
    PRIMARY KEY (id, shard),
    CONSTRAINT approved_is_posted CHECK (
        (outcome = 0 AND hold_expires_at IS NULL AND type <> 12 AND has_leg IS NULL)
        = (payer_posting_no IS NOT NULL AND payer_balance_after IS NOT NULL)),
    CONSTRAINT approved_is_whole CHECK (
        outcome <> 0 OR num_nonnulls(amount, payer, payee, currency) = 4)
);

CREATE UNIQUE INDEX payment_by_posting ON ledger.payment (payer, payer_posting_no)
    WHERE payer_posting_no IS NOT NULL;
-- For lists. Two columns of eight bytes, whatever is listed, so that an index whose entries come in
-- many rising runs fills its pages: Postgres splits those of wider entries in the middle.
CREATE INDEX payment_by_payer ON ledger.payment (uuid_hash_extended(payer, 0), created_at);
CREATE INDEX payment_by_payee ON ledger.payment (uuid_hash_extended(payee, 0), created_at);
CREATE INDEX payment_by_participant ON ledger.payment (participant_no, created_at);
CREATE INDEX payment_by_reference
    ON ledger.payment (hashtextextended(reference, participant_no), created_at)
    WHERE reference IS NOT NULL;
CREATE INDEX payment_by_parent ON ledger.payment (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX payment_by_mandate ON ledger.payment (mandate) WHERE mandate IS NOT NULL;
CREATE INDEX payment_by_request ON ledger.payment (request) WHERE request IS NOT NULL;
CREATE UNIQUE INDEX payment_reversed_once ON ledger.payment (parent) WHERE type = 103
    AND outcome = 0;

-- What became of a payment that has later steps: made with a hold, or by the first step of a
-- payment that was captured at once. The caps are held here whatever a function does.
CREATE TABLE ledger.payment_state (
    shard           smallint NOT NULL DEFAULT 0,
    payment         uuid NOT NULL,
    payer           uuid NOT NULL,  -- whose account keeps it: a bank's position for its customer
    decided_at      timestamptz NOT NULL,
    hold_expires_at timestamptz,  -- null where there was no hold
    amount          bigint NOT NULL CHECK (amount > 0),
    captured        bigint NOT NULL CHECK (captured >= 0),
    voided          bigint NOT NULL DEFAULT 0 CHECK (voided >= 0),
    expired         bigint NOT NULL DEFAULT 0 CHECK (expired >= 0),
    refunded        bigint NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    -- reserved by refunds that wait for a bank
    refunding       bigint NOT NULL DEFAULT 0 CHECK (refunding >= 0),
    -- of what was voided and expired: given back to the payer's day
    uncounted       bigint NOT NULL DEFAULT 0 CHECK (uncounted >= 0),
    -- and to his year
    uncounted_in_year bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (payment, shard),
    CONSTRAINT not_more_than_held CHECK (captured + voided + expired <= amount),
    CONSTRAINT not_more_than_captured CHECK (refunded + refunding <= captured),
    CONSTRAINT not_more_than_freed CHECK (uncounted <= uncounted_in_year
                                          AND uncounted_in_year <= voided + expired),
    CONSTRAINT without_hold_captured CHECK (hold_expires_at IS NOT NULL OR captured = amount)
) WITH (fillfactor = 80);

CREATE INDEX payment_state_held ON ledger.payment_state (payer, hold_expires_at)
    WHERE captured + voided + expired < amount;
CREATE INDEX payment_state_due ON ledger.payment_state (hold_expires_at)
    WHERE captured + voided + expired < amount;

-- What moved where a bank holds the money of one side or both: its position stands in for its
-- customer's account.
CREATE TABLE ledger.leg (
    created_at          timestamptz NOT NULL,
    amount              bigint NOT NULL CHECK (amount > 0),
    payer_posting_no    bigint NOT NULL CHECK (payer_posting_no > 0),
    payer_balance_after bigint NOT NULL,
    shard               smallint NOT NULL DEFAULT 0,
    payment             uuid NOT NULL,
    payer               uuid NOT NULL,
    payee               uuid NOT NULL,
    currency            text NOT NULL,
    PRIMARY KEY (payment, shard)
);
CREATE UNIQUE INDEX leg_by_posting ON ledger.leg (payer, payer_posting_no);

-- What other accounts than the payer's paid of a payment: purses, and the account of a campaign.
CREATE TABLE ledger.draw (
    amount        bigint NOT NULL CHECK (amount > 0),
    posting_no    bigint NOT NULL CHECK (posting_no > 0),
    balance_after bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    shard         smallint NOT NULL DEFAULT 0,
    number        smallint NOT NULL,  -- in the order of drawing, from 1
    payment       uuid NOT NULL,
    account       uuid NOT NULL,
    PRIMARY KEY (payment, number, shard)
);
CREATE UNIQUE INDEX draw_by_posting ON ledger.draw (account, posting_no);

-- What other accounts than the payee's were credited of a payment: the shares of its tariff; of a
-- refund what goes back to where it was drawn.
CREATE TABLE ledger.split (
    amount  bigint NOT NULL CHECK (amount > 0),
    shard   smallint NOT NULL DEFAULT 0,
    payment uuid NOT NULL,
    account uuid NOT NULL,
    PRIMARY KEY (payment, account, shard)
);

-- The legs of the money that moved; a payment without one beside it stands for its own. Other
-- accounts may have paid a part of `amount`, and others been credited a part.
CREATE VIEW ledger.transfer AS
    SELECT shard, id, id AS payment_id, payer, payee, amount,
           amount - coalesce(drawn, 0) AS debited,
           amount - coalesce(split, 0) AS credited, currency,
           payer_posting_no, payer_balance_after, created_at
      FROM ledger.payment
     WHERE payer_posting_no IS NOT NULL
     UNION ALL
    SELECT l.shard, l.payment, l.payment, l.payer, l.payee, l.amount, l.amount,
           l.amount - coalesce(y.split, 0), l.currency,
           l.payer_posting_no, l.payer_balance_after, l.created_at
      FROM ledger.leg l JOIN ledger.payment y ON y.shard = l.shard AND y.id = l.payment;

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
    PRIMARY KEY (account, posting_no, shard),
    CHECK (cardinality(transfer_ids) > 0 AND cardinality(transfer_ids) = cardinality(amounts))
);
-- Nothing is looked for within them, and ANALYZE would sort all that they hold.
ALTER TABLE ledger.fold ALTER transfer_ids SET STATISTICS 0, ALTER amounts SET STATISTICS 0;

-- What the books check found, so that its age and result can be watched.
CREATE TABLE ledger.books_check (
    checked_at timestamptz PRIMARY KEY,
    deviations integer NOT NULL CHECK (deviations >= 0)
);
