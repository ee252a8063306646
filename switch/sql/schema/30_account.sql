-- Accounts, the tiers that limit them, and which kinds of accounts may pay which.

CREATE TABLE ledger.tier (
    name          text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    currency      ledger.currency NOT NULL,
    payment_limit bigint CHECK (payment_limit >= 0),
    daily_limit   bigint CHECK (daily_limit >= 0),
    yearly_limit  bigint CHECK (yearly_limit >= 0),
    balance_limit bigint CHECK (balance_limit >= 0),
    choosable     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (name, currency)
);

-- What is kept of purchases that an account is paid, and for whom. Each share of an amount is
-- amount × parts_per_million / 1,000,000, rounded half up to a minor unit, plus the fixed amount,
-- within its bounds; all of them together are never more than the amount.
CREATE TABLE ledger.tariff (
    name     text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    currency ledger.currency NOT NULL,
    PRIMARY KEY (name, currency)
);

CREATE TABLE ledger.tariff_share (
    tariff            text NOT NULL,
    currency          ledger.currency NOT NULL,
    number            smallint NOT NULL CHECK (number > 0),  -- in this order
    account           uuid NOT NULL,  -- of kind fee
    parts_per_million integer NOT NULL CHECK (parts_per_million BETWEEN 0 AND 1000000),
    fixed             bigint NOT NULL DEFAULT 0 CHECK (fixed >= 0),
    share_min         bigint NOT NULL DEFAULT 0 CHECK (share_min >= 0),
    share_max         bigint CHECK (share_max >= share_min),
    PRIMARY KEY (tariff, currency, number),
    UNIQUE (tariff, currency, account),
    FOREIGN KEY (tariff, currency) REFERENCES ledger.tariff (name, currency)
);
CREATE INDEX tariff_share_by_account ON ledger.tariff_share (account);

CREATE TABLE ledger.tier_default (
    kind     text NOT NULL,
    currency text NOT NULL,
    tier     text NOT NULL,
    PRIMARY KEY (kind, currency),
    FOREIGN KEY (tier, currency) REFERENCES ledger.tier (name, currency)
);

-- The row of an account is written by every debit, so what is updated stays out of every index and
-- a page keeps room for the next versions of its rows (heap-only updates).
CREATE TABLE ledger.account (
    shard          smallint NOT NULL DEFAULT 0,
    participant_no integer NOT NULL REFERENCES ledger.participant,
    balance        bigint NOT NULL DEFAULT 0,
    held           bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    floor          bigint NOT NULL DEFAULT 0 CHECK (floor <= 0),
    posting_count  bigint NOT NULL DEFAULT 0 CHECK (posting_count >= 0),
    spent_today    bigint NOT NULL DEFAULT 0 CHECK (spent_today >= 0),
    spent_this_year bigint NOT NULL DEFAULT 0 CHECK (spent_this_year >= 0),
    -- of the last payment that counted: `spent_today` is of it, `spent_this_year` of its year
    spent_day      date NOT NULL DEFAULT '-infinity',
    closing_seen   xid8,
    created_at     timestamptz NOT NULL,
    id             uuid NOT NULL,
    kind           ledger.account_kind NOT NULL,
    currency       ledger.currency NOT NULL,
    lifecycle      ledger.account_lifecycle NOT NULL DEFAULT 'open',
    holder_freeze  boolean NOT NULL DEFAULT false,
    operator_freeze boolean NOT NULL DEFAULT false,
    has_purses     boolean NOT NULL DEFAULT false,
    tier           text,
    tariff         text,  -- of what is kept of purchases that it is paid
    reference      text,
    PRIMARY KEY (id, shard),
    FOREIGN KEY (tier, currency) REFERENCES ledger.tier (name, currency),
    FOREIGN KEY (tariff, currency) REFERENCES ledger.tariff (name, currency),
    CONSTRAINT no_overdraft CHECK (balance - held >= floor),
    CONSTRAINT closed_is_empty CHECK (lifecycle <> 'closed' OR (balance = 0 AND held = 0))
) WITH (fillfactor = 60);

CREATE INDEX account_by_participant ON ledger.account (participant_no, id);
CREATE INDEX account_by_reference ON ledger.account (participant_no, reference, id)
    WHERE reference IS NOT NULL;
CREATE INDEX account_closing ON ledger.account (id) WHERE lifecycle = 'closing';
CREATE INDEX account_position ON ledger.account (participant_no, currency, id)
    WHERE kind = 'position';
CREATE UNIQUE INDEX account_issuance ON ledger.account (currency) WHERE kind = 'issuance';

-- What opening, freezing, unfreezing, closing, forgetting its holder and a better class were
-- answered, so that a repeat gets the same answer.
CREATE TABLE ledger.account_operation (
    participant_no integer NOT NULL,
    key            text NOT NULL,
    account        uuid NOT NULL,
    operation      text NOT NULL CHECK (operation IN ('open', 'freeze', 'unfreeze', 'close',
                                                       'forget', 'upgrade')),
    status         text NOT NULL,
    frozen_by      text,
    reason         text,
    tier           text,
    payment_limit  bigint,
    daily_limit    bigint,
    yearly_limit   bigint,
    balance_limit  bigint,
    decided_at     timestamptz NOT NULL,
    PRIMARY KEY (participant_no, key)
);

-- Credits that the payee's balance does not contain yet: written with the decision, taken out by
-- the fold.
CREATE TABLE ledger.unfolded_credit (
    shard       smallint NOT NULL DEFAULT 0,
    payee       uuid NOT NULL,
    transfer_id uuid NOT NULL,
    amount      bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (payee, transfer_id, shard)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_threshold = -1);

-- An account as it is now: with the credits that its row does not contain yet.
CREATE VIEW ledger.account_now AS
    SELECT a.shard, a.participant_no, a.id, p.id AS participant, a.kind, a.currency,
           CASE WHEN a.lifecycle <> 'open' THEN a.lifecycle
                WHEN a.holder_freeze OR a.operator_freeze THEN 'frozen'
                ELSE 'open' END AS status,
           CASE WHEN a.operator_freeze THEN 'operator'
                WHEN a.holder_freeze THEN 'participant' END AS frozen_by,
           a.reference, a.tier, a.balance + coalesce(c.amount, 0) AS balance, a.held,
           a.floor, t.payment_limit, t.daily_limit, t.yearly_limit, t.balance_limit,
           a.spent_today, a.spent_this_year, a.spent_day, a.created_at
      FROM ledger.account a
      JOIN ledger.participant p USING (participant_no)
      LEFT JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency
      LEFT JOIN LATERAL (SELECT sum(u.amount)::bigint AS amount FROM ledger.unfolded_credit u
                          WHERE u.shard = a.shard AND u.payee = a.id) c ON true;
