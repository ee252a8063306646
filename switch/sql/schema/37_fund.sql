-- Money beside a payer's own that pays a part of a purchase: purses, bound to a purpose, and
-- coupons of a campaign. Their accounts are locked after all others, in id order.

-- What money of a funder is bound to: kinds of shops, districts, days and hours.
CREATE TABLE ledger.purpose (
    id             uuid PRIMARY KEY,
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- the funder
    account        uuid NOT NULL,  -- the funder's: what is left at the end goes back to it
    currency       ledger.currency NOT NULL,
    name           text NOT NULL,
    categories     text[],  -- of merchants (ISO 18245); null for any
    districts      text[],  -- null for any
    weekdays       smallint[],  -- 1 Monday to 7 Sunday, local; null for any
    from_minute    smallint CHECK (from_minute BETWEEN 0 AND 1439),  -- of the local day
    until_minute   smallint CHECK (until_minute BETWEEN 1 AND 1440),
    not_after      timestamptz NOT NULL,
    created_at     timestamptz NOT NULL,
    CONSTRAINT hours_are_whole CHECK (num_nulls(from_minute, until_minute) IN (0, 2)
                                      AND (from_minute IS NULL OR from_minute < until_minute))
);
CREATE INDEX purpose_by_participant ON ledger.purpose (participant_no, id);

-- A purse is an account of its own beside a wallet's.
CREATE TABLE ledger.purse (
    id        uuid PRIMARY KEY,  -- of the account
    wallet    uuid NOT NULL,
    purpose   uuid NOT NULL REFERENCES ledger.purpose,
    not_after timestamptz NOT NULL,  -- the purpose's
    swept_at  timestamptz,  -- when what was left went back
    UNIQUE (wallet, purpose)
);
CREATE INDEX purse_due ON ledger.purse (not_after) WHERE swept_at IS NULL;

-- A discount on purchases, paid from an account that holds the campaign's budget.
CREATE TABLE ledger.campaign (
    id             uuid PRIMARY KEY,  -- of the account that holds the budget
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- the funder
    account        uuid NOT NULL,  -- the funder's: what is left at the end goes back to it
    currency       ledger.currency NOT NULL,
    name           text NOT NULL,
    discount          bigint CHECK (discount > 0),  -- either a fixed amount
    parts_per_million integer CHECK (parts_per_million BETWEEN 1 AND 1000000),  -- or a part
    discount_max      bigint CHECK (discount_max > 0),  -- of a part
    amount_min     bigint NOT NULL CHECK (amount_min > 0),  -- of the purchase
    uses_max       smallint NOT NULL CHECK (uses_max > 0),  -- of one account's coupon
    coupons_max    integer NOT NULL CHECK (coupons_max > 0),  -- given to who comes first
    coupons_given  integer NOT NULL DEFAULT 0,
    categories     text[],
    districts      text[],
    not_before     timestamptz NOT NULL,
    not_after      timestamptz NOT NULL,
    swept_at       timestamptz,
    created_at     timestamptz NOT NULL,
    CONSTRAINT one_kind_of_discount CHECK (num_nulls(discount, parts_per_million) = 1),
    CONSTRAINT for_some_time CHECK (not_before < not_after),
    CONSTRAINT not_more_than_offered CHECK (coupons_given BETWEEN 0 AND coupons_max)
) WITH (fillfactor = 70);
CREATE INDEX campaign_by_participant ON ledger.campaign (participant_no, id);
CREATE INDEX campaign_due ON ledger.campaign (not_after) WHERE swept_at IS NULL;

-- What an account has of a campaign; changed only by who holds the account's lock.
CREATE TABLE ledger.coupon (
    id         uuid PRIMARY KEY,
    campaign   uuid NOT NULL REFERENCES ledger.campaign,
    account    uuid NOT NULL,
    uses       smallint NOT NULL DEFAULT 0 CHECK (uses >= 0),
    uses_max   smallint NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (account, campaign),
    CONSTRAINT not_more_than_given CHECK (uses <= uses_max)
) WITH (fillfactor = 70);

-- Where a merchant's account trades, for purposes and campaigns.
CREATE TABLE ledger.shop (
    account  uuid PRIMARY KEY,
    category text CHECK (category ~ '^[0-9]{4}$'),  -- ISO 18245
    district text
);
