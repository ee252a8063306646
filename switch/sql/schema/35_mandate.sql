-- Mandates: what the holder of an account has permitted a payee to take from it without asking.

-- Without a payee it is a payment code: whoever presents the code takes by it, once. Its id is made
-- from the code, of version 8 (RFC 9562), so that a payment names it without a look-up.
-- The row is locked by every decision that relies on it, before any account, and by its revocation.
CREATE TABLE ledger.mandate (
    id                uuid PRIMARY KEY,
    participant_no    integer NOT NULL REFERENCES ledger.participant,  -- who gave it: the payer's
    payer             uuid NOT NULL,
    payee             uuid,  -- null of a payment code
    currency          ledger.currency NOT NULL,
    purpose           text,
    payment_limit     bigint CHECK (payment_limit > 0),
    daily_limit       bigint CHECK (daily_limit > 0),
    monthly_limit     bigint CHECK (monthly_limit > 0),
    uses_max          integer CHECK (uses_max > 0),
    uses              integer NOT NULL DEFAULT 0 CHECK (uses >= 0),
    spent_today       bigint NOT NULL DEFAULT 0 CHECK (spent_today >= 0),
    spent_day         date NOT NULL DEFAULT '-infinity',
    spent_this_month  bigint NOT NULL DEFAULT 0 CHECK (spent_this_month >= 0),
    spent_month       date NOT NULL DEFAULT '-infinity',  -- its first day
    not_before        timestamptz NOT NULL,
    not_after         timestamptz NOT NULL,
    created_at        timestamptz NOT NULL,
    revoked_at        timestamptz,
    CONSTRAINT valid_for_some_time CHECK (not_before < not_after),
    CONSTRAINT between_two CHECK (payer <> payee),
    CONSTRAINT not_more_uses_than_given CHECK (uses <= uses_max),
    CONSTRAINT a_code_is_told_by_its_id CHECK ((payee IS NULL) = (substr(id::text, 15, 1) = '8')),
    CONSTRAINT a_code_is_for_one_payment_soon
        CHECK (payee IS NOT NULL OR (uses_max = 1 AND payment_limit IS NOT NULL
                                     AND not_after - not_before <= interval '300 seconds'))
) WITH (fillfactor = 70);

CREATE INDEX mandate_by_payer ON ledger.mandate (payer, id) WHERE payee IS NOT NULL;
CREATE INDEX mandate_code_by_payer ON ledger.mandate (payer, not_after) WHERE payee IS NULL;
CREATE INDEX mandate_by_payee ON ledger.mandate (payee, id) WHERE payee IS NOT NULL;
