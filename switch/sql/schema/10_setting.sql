-- What the whole ledger agrees on, one row a name, written by the operator's functions only.

CREATE TABLE ledger.setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);

-- The version of the tables, one row a schema, the ledger's or a service's; `switch migrate` moves
-- it, every process compares it at start.
CREATE TABLE ledger.schema_version (
    schema_name      text PRIMARY KEY,
    version          integer NOT NULL CHECK (version >= 1),
    functions_digest text NOT NULL,
    migrated_at      timestamptz NOT NULL
);

INSERT INTO ledger.setting (name, value) VALUES ('time_zone', 'Asia/Shanghai'),
    ('key_validity_days_max', '400');
