-- What a column may hold, where that says it all. A table's CHECK is read anew by each statement
-- that writes a row, whatever it writes; a domain once a connection, and only for what is written.

CREATE DOMAIN ledger.account_kind AS text CHECK (
    VALUE IN ('wallet', 'merchant', 'government', 'position', 'external', 'issuance', 'fee',
              'purse', 'campaign'));
CREATE DOMAIN ledger.account_lifecycle AS text CHECK (VALUE IN ('open', 'closing', 'closed'));
CREATE DOMAIN ledger.currency AS text CHECK (VALUE ~ '^[A-Z]{3}$');
-- 1 a payment, 2 something about an account, 4 barred, 5 something about a signing key, 6 something
-- about a mandate, 7 something about a payment request, 8 something about a purse or a campaign,
-- 9 something that a service keeps, 11 a capture, 12 a void, 13 a refund
CREATE DOMAIN ledger.claimed_operation AS smallint
    CHECK (VALUE IN (1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13));
CREATE DOMAIN ledger.idempotency_key AS text CHECK (length(VALUE) BETWEEN 1 AND 64);
CREATE DOMAIN ledger.sha256 AS bytea CHECK (octet_length(VALUE) = 32);
-- 1 the payment or step was approved, 2 what was held has expired, 3 the payment or step that
-- waited for a bank was declined: told to the payer's side alone; 4 a key was changed
CREATE DOMAIN ledger.event_kind AS smallint CHECK (VALUE IN (1, 2, 3, 4));
