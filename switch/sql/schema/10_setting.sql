-- What the whole ledger agrees on, one row a name, written by the operator's functions only.

CREATE TABLE ledger.setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);

-- The version of the tables, one row; `switch migrate` moves it, every process compares it at
-- start.
CREATE TABLE ledger.schema_version (
    only_row         boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version          integer NOT NULL CHECK (version >= 1),
    functions_digest text NOT NULL,
    migrated_at      timestamptz NOT NULL
);

INSERT INTO ledger.setting (name, value) VALUES ('time_zone', 'Asia/Shanghai'),
    ('key_validity_days_max', '400');
