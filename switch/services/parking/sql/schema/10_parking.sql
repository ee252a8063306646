-- Parking: where, by which tariff, who stands there, and what was held for it.

CREATE TABLE parking.site (
    id             uuid PRIMARY KEY,
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- who runs it
    account        uuid NOT NULL,
    currency       text NOT NULL,
    name           text NOT NULL,
    free_minutes   integer NOT NULL CHECK (free_minutes >= 0),
    unit_minutes   integer NOT NULL CHECK (unit_minutes > 0),
    unit_price     bigint NOT NULL CHECK (unit_price > 0),
    day_max        bigint CHECK (day_max > 0),  -- of 24 hours
    hold_amount    bigint NOT NULL CHECK (hold_amount > 0),
    hold_seconds   integer NOT NULL,
    created_at     timestamptz NOT NULL
);

CREATE TABLE parking.stay (
    id         uuid PRIMARY KEY,
    site       uuid NOT NULL REFERENCES parking.site,
    mandate    uuid NOT NULL,  -- by which it is paid
    status     text NOT NULL CHECK (status IN ('open', 'declined', 'left')),
    reason     text,  -- why it was declined at the gate
    entered_at timestamptz NOT NULL,
    left_at    timestamptz,
    fee        bigint CHECK (fee >= 0),
    paid       bigint CHECK (paid BETWEEN 0 AND fee),
    created_at timestamptz NOT NULL,
    CONSTRAINT left_with_a_fee CHECK ((status = 'left') = (left_at IS NOT NULL)
                                      AND num_nulls(left_at, fee, paid) IN (0, 3)),
    CONSTRAINT left_later CHECK (left_at >= entered_at)
) WITH (fillfactor = 70);

-- What is held for a stay; the next one is made before the one before it ends.
CREATE TABLE parking.hold (
    stay       uuid NOT NULL REFERENCES parking.stay,
    number     smallint NOT NULL,
    payment    uuid NOT NULL,
    amount     bigint NOT NULL,
    outcome    smallint NOT NULL,
    expires_at timestamptz NOT NULL,
    is_last    boolean NOT NULL DEFAULT true,  -- of an open stay, where it was approved
    PRIMARY KEY (stay, number)
);
CREATE INDEX hold_ends ON parking.hold (expires_at) WHERE is_last;
