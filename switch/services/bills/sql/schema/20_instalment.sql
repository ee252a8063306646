-- Instalments: parts of a bill that its biller takes by a mandate, each from its day on.

CREATE TABLE bills.instalment (
    bill     uuid NOT NULL REFERENCES bills.bill,
    number   smallint NOT NULL CHECK (number > 0),
    amount   bigint NOT NULL CHECK (amount > 0),
    due_on   date NOT NULL,
    mandate  uuid NOT NULL,
    status   text NOT NULL DEFAULT 'planned' CHECK (status IN ('planned', 'paid', 'given_up')),
    payment  uuid,  -- that paid it
    reason   text,  -- why it was declined the last time
    attempts smallint NOT NULL DEFAULT 0,
    take_at  timestamptz,  -- when it is to be taken next; null once it is paid or given up
    PRIMARY KEY (bill, number),
    CONSTRAINT planned_until_taken CHECK ((status = 'planned') = (take_at IS NOT NULL)),
    CONSTRAINT paid_by_a_payment CHECK ((status = 'paid') = (payment IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX instalment_to_take ON bills.instalment (take_at) WHERE take_at IS NOT NULL;
