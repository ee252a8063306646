-- Who wallets are for. Nothing here can be read without the keys of the switch's key folder.

-- Beside the account of kind `wallet` that the ledger keeps; its class is the account's tier. What
-- is told of the person is sealed for this row and column, and null once the person is forgotten.
CREATE TABLE wallets.wallet (
    account           uuid PRIMARY KEY,
    participant_no    integer NOT NULL,
    checked_in_person boolean NOT NULL,
    sealed_phone      bytea,
    sealed_name       bytea,
    sealed_document   bytea,
    forgotten_at      timestamptz,
    CONSTRAINT forgotten_is_gone CHECK (
        forgotten_at IS NULL
        OR (num_nonnulls(sealed_phone, sealed_name, sealed_document) = 0
            AND NOT checked_in_person))
);

CREATE INDEX wallet_by_participant ON wallets.wallet (participant_no, account);

-- By which names others find a wallet: the keyed hash of a phone number, at most one wallet each in
-- one currency.
CREATE TABLE wallets.alias (
    kind        text NOT NULL CHECK (kind IN ('phone')),
    blind_index bytea NOT NULL CHECK (octet_length(blind_index) = 32),
    currency    text NOT NULL,
    account     uuid NOT NULL REFERENCES wallets.wallet,
    PRIMARY KEY (kind, blind_index, currency)
);
CREATE INDEX alias_by_account ON wallets.alias (account);

-- By which key the indexes are made: a worker with another would find nobody, and would let a
-- number name a second wallet.
CREATE TABLE wallets.index_key (
    is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32)
);
