-- What billers ask their customers to pay. What is asked, and how much of it is paid, stands in the
-- ledger's payment request of the same id.

CREATE TABLE bills.bill (
    id             uuid PRIMARY KEY,  -- that of the payment request
    participant_no integer NOT NULL,
    payee          uuid NOT NULL,
    customer       text NOT NULL,  -- by which the customer finds it: a number of a contract, say
    reference      text NOT NULL,  -- of the bill, at its biller
    due_on         date NOT NULL,
    due_at         timestamptz NOT NULL,  -- when that day ends in the city
    batch          uuid NOT NULL,  -- the first bill of the message that brought it
    place          integer NOT NULL CHECK (place > 0),  -- in that message
    CONSTRAINT presented_once UNIQUE (payee, reference),
    CONSTRAINT one_at_a_place UNIQUE (batch, place)
);
CREATE INDEX bill_by_payee ON bills.bill (payee, id);
CREATE INDEX bill_by_customer ON bills.bill (payee, customer, id);
