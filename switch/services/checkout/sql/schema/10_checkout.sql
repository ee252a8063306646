-- What people see of a payment request that a shop made for one order.

-- Beside the ledger's row of the same id, which says what is asked and what is paid.
CREATE TABLE checkout.checkout (
    id             uuid PRIMARY KEY,
    participant_no integer NOT NULL,
    page_url       text NOT NULL CHECK (length(page_url) <= 512),
    return_url     text CHECK (length(return_url) <= 512)
);

CREATE INDEX checkout_by_participant ON checkout.checkout (participant_no, id);
