-- Payment requests: what a payee asks to be paid, in one piece or in parts.

-- The row is locked by every decision that pays it, before any account, and by its cancellation.
CREATE TABLE ledger.payment_request (
    id             uuid PRIMARY KEY,
    participant_no integer NOT NULL REFERENCES ledger.participant,  -- who asks: the payee's
    payee          uuid NOT NULL,
    payee_name     text,  -- for whoever is to pay
    currency       ledger.currency NOT NULL,
    amount         bigint NOT NULL CHECK (amount > 0),
    amount_min     bigint NOT NULL,  -- of one part, save the last; the amount where none is taken
    -- Asked on top from a moment on, of whoever had not paid all by then; null where nothing is.
    late_fee       bigint CHECK (late_fee > 0),
    late_at        timestamptz,
    is_late        boolean NOT NULL DEFAULT false,  -- something was paid from then on
    paid           bigint NOT NULL DEFAULT 0 CHECK (paid >= 0),
    reference      text,  -- of the payee, as is the description
    description    text,
    not_after      timestamptz NOT NULL,
    created_at     timestamptz NOT NULL,
    cancelled_at   timestamptz,
    CONSTRAINT parts_are_not_larger CHECK (amount_min BETWEEN 1 AND amount),
    CONSTRAINT late_by_rule CHECK (num_nulls(late_fee, late_at) IN (0, 2)
                                   AND (late_at IS NOT NULL OR NOT is_late)),
    CONSTRAINT not_more_than_asked CHECK (
        paid <= amount + CASE WHEN is_late THEN late_fee ELSE 0 END),
    CONSTRAINT asked_for_some_time CHECK (created_at < not_after),
    CONSTRAINT paid_is_not_cancelled CHECK (
        cancelled_at IS NULL OR paid < amount + CASE WHEN is_late THEN late_fee ELSE 0 END)
) WITH (fillfactor = 70);

CREATE INDEX payment_request_by_participant ON ledger.payment_request (participant_no, id);
