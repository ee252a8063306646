-- Every statement that the switch sends, by name. They call functions; tables are not named outside
-- sql/functions.

-- name: authorize_batch
SELECT decided_at, dispositions, outcomes, payment_ids
  FROM ledger.authorize_batch($1::smallint, $2::integer[], $3::text[], $4::bytea[], $5::uuid[],
                              $6::smallint[],
                              $7::uuid[], $8::uuid[], $9::bigint[], $10::text[], $11::timestamptz[],
                                  $12::text[],
                              $13::text[], $14::text[], $15::text[], $16::integer[],
                              $17::integer[], $18::integer[], $19::text[], $20::text[],
                              $21::uuid[], $22::uuid[], $23::uuid[]);

-- name: decide_steps
SELECT decided_at, dispositions, outcomes, payment_ids
  FROM ledger.decide_steps($1::smallint, $2::integer[], $3::text[], $4::bytea[], $5::uuid[],
                           $6::smallint[], $7::uuid[], $8::bigint[], $9::boolean[], $10::integer[],
                           $11::integer[], $12::text[], $13::text[]);

-- name: bar_key
SELECT disposition, operation, subject
  FROM ledger.bar_key($1::integer, $2::text, $3::bytea, $4::uuid, $5::integer, $6::text, $7::text);

-- name: fold_backlog
SELECT ledger.fold_backlog($1::smallint, $2::uuid[]);

-- name: open_account
SELECT disposition, (operation).*
  FROM ledger.open_account($1::integer, $2::text, $3::bytea, $4::uuid, $5::text, $6::text, $7::text,
                           $8::text);

-- name: change_account
SELECT disposition, (operation).* FROM ledger.change_account($1::integer, $2::text, $3::bytea,
                                                             $4::uuid, $5::text);

-- name: read_account_operation
SELECT (o).* FROM ledger.read_account_operation($1::integer, $2::text) o WHERE (o).key IS NOT NULL;

-- name: introduce_key
SELECT disposition, refusal, days_max, 'introduce' AS operation, (introduced).*
  FROM ledger.introduce_key($1::integer, $2::text, $3::bytea, $4::uuid, $5::text, $6::text,
                            $7::bytea, $8::timestamptz, $9::timestamptz, $10::integer);

-- name: revoke_own_key
SELECT disposition, (operation).*
  FROM ledger.revoke_own_key($1::integer, $2::text, $3::bytea, $4::uuid, $5::text, $6::text);

-- name: read_key_operation
SELECT * FROM ledger.read_key_operation($1::uuid);

-- name: read_key_changes
SELECT * FROM ledger.read_key_changes($1::integer, $2::uuid[]);

-- name: read_own_keys
SELECT * FROM ledger.read_own_keys($1::integer, $2::text, $3::integer);

-- name: record_key_uses
SELECT ledger.record_key_uses($1::integer[], $2::text[], $3::timestamptz[]);

-- name: find_claim
SELECT operation, subject FROM ledger.find_claim($1::integer, $2::text);

-- name: find_claims
SELECT key FROM unnest($2::text[]) AS asked (key), ledger.find_claim($1::integer, key) AS claim
 WHERE claim.operation IS NOT NULL;

-- name: read_accounts
SELECT * FROM ledger.read_accounts($1::integer, $2::uuid, $3::text, $4::uuid, $5::integer);

-- name: read_entries
SELECT * FROM ledger.read_entries($1::integer, $2::uuid, $3::bigint, $4::integer, $5::integer);

-- name: read_payments
SELECT * FROM ledger.read_payments($1::integer, $2::uuid[]);

-- name: list_payments
SELECT p.*
  FROM (SELECT array_agg(id) AS ids
          FROM ledger.list_payments($1::integer, $2::text, $3::uuid, $4::timestamptz,
                                    $5::timestamptz, $6::uuid,
                                    $7::integer) AS id) found,
       ledger.read_payments($1::integer, found.ids) p
 ORDER BY p.created_at, p.id;

-- name: give_mandate
SELECT disposition, subject, (mandate).*
  FROM ledger.give_mandate($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::uuid,
                           $7::text, $8::bigint, $9::bigint, $10::bigint, $11::integer,
                           $12::timestamptz, $13::timestamptz);

-- name: give_code
SELECT disposition, subject, (mandate).*
  FROM ledger.give_code($1::integer, $2::text, $3::bytea, $4::uuid[], $5::uuid, $6::bigint,
                        $7::integer, $8::integer);

-- name: revoke_mandate
SELECT disposition, subject, (mandate).*
  FROM ledger.revoke_mandate($1::integer, $2::text, $3::bytea, $4::uuid);

-- name: read_mandates
SELECT ledger.participant_name(m.participant_no) AS participant, m.*
  FROM ledger.read_mandates($1::integer, $2::uuid, $3::uuid, $4::uuid, $5::integer) m
 ORDER BY m.id;

-- name: read_mandate_operation
SELECT digest, (mandate).* FROM ledger.read_mandate_operation($1::integer, $2::text);

-- name: give_purpose
SELECT disposition, subject, (purpose).*
  FROM ledger.give_purpose($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::text,
                           $7::text[], $8::text[], $9::smallint[], $10::smallint, $11::smallint,
                           $12::timestamptz);

-- name: open_purse
SELECT disposition, subject, (purse).*
  FROM ledger.open_purse($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::uuid);

-- name: give_campaign
SELECT disposition, subject, (campaign).*
  FROM ledger.give_campaign($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::text,
                            $7::bigint, $8::integer, $9::bigint, $10::bigint, $11::smallint,
                            $12::integer, $13::text[], $14::text[], $15::timestamptz,
                            $16::timestamptz);

-- name: claim_coupon
SELECT disposition, subject, (coupon).*
  FROM ledger.claim_coupon($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::uuid);

-- name: read_fund
SELECT * FROM ledger.read_fund($1::uuid);

-- name: read_funds
SELECT * FROM ledger.read_funds($1::integer, $2::uuid, $3::boolean, $4::uuid, $5::integer);

-- name: read_fund_operation
SELECT * FROM ledger.read_fund_operation($1::integer, $2::text);

-- name: set_tariff
SELECT ledger.set_tariff($1::text, $2::text, $3::uuid[], $4::integer[], $5::bigint[], $6::bigint[],
                         $7::bigint[]);

-- name: set_account_tariff
SELECT ledger.set_account_tariff($1::uuid, $2::text);

-- name: list_tariffs
SELECT * FROM ledger.list_tariffs();

-- name: set_shop
SELECT ledger.set_shop($1::uuid, $2::text, $3::text);

-- name: sweep_funds
SELECT ledger.sweep_funds($1::uuid[]) AS count;

-- name: read_payable_request
SELECT ledger.participant_name(r.participant_no) AS participant, r.*
  FROM ledger.read_payable_request($1::integer, $2::uuid) r;

-- name: read_request_operation
SELECT digest, (request).* FROM ledger.read_request_operation($1::integer, $2::text);

-- name: read_trail
SELECT * FROM ledger.read_trail($1::integer, $2::uuid, $3::integer);

-- name: read_told
SELECT participant, no, kind, subject, sequenced_at, taken_at, attempts
  FROM ledger.read_told($1::integer, $2::uuid[], $3::integer);

-- name: read_asked
SELECT * FROM ledger.read_asked($1::integer, $2::uuid[]);

-- name: read_pushed
SELECT * FROM ledger.read_pushed($1::integer, $2::uuid);

-- name: look_up_payments
SELECT ask, (payment).* FROM ledger.look_up_payments($1::integer[], $2::uuid[]);

-- name: read_fee
SELECT ledger.read_fee($1::integer, $2::uuid) AS fee;

-- name: look_up_keys
SELECT asked.ask, claim.operation AS claimed, p.*
  FROM unnest($1::integer[], $2::text[]) WITH ORDINALITY AS asked (participant_no, name, ask)
 CROSS JOIN LATERAL ledger.find_claim(asked.participant_no, asked.name) AS claim
  LEFT JOIN LATERAL ledger.read_payments(asked.participant_no, ARRAY[claim.subject]) AS p
    ON claim.operation <> ALL ($3::smallint[]);

-- name: look_up_feeds
SELECT asked.ask, f.last_no, f.pruned_no, e.no, e.kind, e.subject, e.happened_at
  FROM unnest($1::integer[], $2::bigint[], $3::integer[])
       WITH ORDINALITY AS asked (participant_no, after, count, ask)
 CROSS JOIN LATERAL ledger.read_feeds(ARRAY[asked.participant_no]) AS f
  LEFT JOIN LATERAL ledger.read_events(asked.participant_no, asked.after, asked.count) AS e ON true
 ORDER BY asked.ask, e.no;

-- name: read_feeds
SELECT participant_no, last_no, pruned_no FROM ledger.read_feeds($1::integer[]);

-- name: sequence_events
SELECT ledger.sequence_events($1::integer);

-- name: prune_events
SELECT ledger.prune_events($1::integer, $2::integer);

-- name: read_delivery_work
SELECT * FROM ledger.read_delivery_work($1::integer);

-- name: read_new_deliveries
SELECT * FROM ledger.read_new_deliveries($1::integer, $2::integer);

-- name: read_due_deliveries
SELECT * FROM ledger.read_due_deliveries($1::integer, $2::integer);

-- name: pass_deliveries
SELECT ledger.pass_deliveries($1::integer, $2::bigint, $3::bigint[], $4::interval[], $5::text[]);

-- name: settle_deliveries
SELECT ledger.settle_deliveries($1::integer, $2::bigint[], $3::interval[], $4::text[],
                                $5::interval);

-- name: read_delivery_backlog
SELECT * FROM ledger.read_delivery_backlog();

-- name: prune_deliveries
SELECT ledger.prune_deliveries($1::integer, $2::integer);

-- name: find_decided
SELECT id FROM ledger.find_decided($1::uuid[]) AS id;

-- name: start_bank_calls
SELECT * FROM ledger.start_bank_calls($1::integer, $2::interval, $3::integer, $4::integer[],
                                      $5::integer[], $6::integer[], $7::integer[]);

-- name: settle_bank_calls
SELECT ledger.settle_bank_calls($1::uuid[], $2::smallint[], $3::text[], $4::text[],
                                $5::interval[]);

-- name: time_out_calls
SELECT ledger.time_out_calls($1::integer);

-- name: resume_bank_calls
SELECT ledger.resume_bank_calls();

-- name: read_bank_backlog
SELECT * FROM ledger.read_bank_backlog();

-- name: prune_bank_calls
SELECT ledger.prune_bank_calls($1::integer, $2::integer);

-- name: participants_version
SELECT ledger.participants_version() AS version, clock_timestamp() AS answered_at;

-- name: read_participants
SELECT * FROM ledger.read_participants();

-- name: read_switch_keys
SELECT * FROM ledger.read_switch_keys();

-- name: fold_credits
SELECT credits, accounts FROM ledger.fold_credits($1::smallint, $2::integer);

-- name: expire_holds
SELECT ledger.expire_holds($1::smallint, $2::integer);

-- name: finish_closing
SELECT ledger.finish_closing($1::integer);

-- name: is_member
SELECT pg_has_role(current_user, $1::name, 'USAGE') AS is_member;

-- name: take_job_lock
SELECT pg_try_advisory_lock($1::integer, $2::integer);

-- name: read_waiting
SELECT credits, oldest_age_s FROM ledger.read_waiting();

-- name: read_unnumbered
SELECT ledger.read_unnumbered();

-- name: read_database_state
SELECT pg_database_size(current_database()) AS stored_bytes,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal_bytes,
       blks_read * current_setting('block_size')::bigint AS read_bytes,
       numbackends AS connections, xact_commit AS commits, deadlocks
  FROM pg_stat_database
 WHERE datname = current_database();

-- name: check_books
SELECT check_name, subject, detail FROM ledger.check_books();

-- name: record_books_check
SELECT ledger.record_books_check($1::integer);

-- name: read_books_check
SELECT checked_at, deviations FROM ledger.read_books_check();

-- name: add_participant
SELECT ledger.add_participant($1::text, $2::text, $3::text, $4::text);

-- name: set_participant
SELECT ledger.set_participant($1::text, $2::text, $3::text);

-- name: list_dead_events
SELECT * FROM ledger.list_dead_events($1::text, $2::integer);

-- name: replay_events
SELECT ledger.replay_events($1::text, $2::bigint[]) AS count;

-- name: list_bank_calls
SELECT * FROM ledger.list_bank_calls($1::text, $2::boolean, $3::integer);

-- name: give_up_calls
SELECT * FROM ledger.give_up_calls($1::text, $2::uuid, $3::text);

-- name: set_participant_status
SELECT ledger.set_participant_status($1::text, $2::text);

-- name: list_participants
SELECT * FROM ledger.list_participants();

-- name: add_key
SELECT ledger.add_key($1::text, $2::text, $3::bytea, $4::timestamptz, $5::timestamptz);

-- name: revoke_key
SELECT ledger.revoke_key($1::text, $2::text) AS revoked;

-- name: confirm_key
SELECT ledger.confirm_key($1::text, $2::text);

-- name: list_keys
SELECT * FROM ledger.list_keys();

-- name: register_switch_key
SELECT ledger.register_switch_key($1::text, $2::bytea, $3::timestamptz, $4::timestamptz);

-- name: end_switch_key
SELECT ledger.end_switch_key($1::text);

-- name: find_key_claims
SELECT participant, operation, subject FROM ledger.find_key_claims($1::text, $2::text);

-- name: set_tier
SELECT ledger.set_tier($1::text, $2::text, $3::bigint, $4::bigint, $5::bigint, $6::bigint,
                       $7::boolean);

-- name: set_default_tier
SELECT ledger.set_default_tier($1::text, $2::text, $3::text);

-- name: list_tiers
SELECT * FROM ledger.list_tiers();

-- name: operator_open_account
SELECT ledger.operator_open_account($1::uuid, $2::text, $3::text, $4::text, $5::bigint, $6::text,
                                    $7::text);

-- name: set_account
SELECT ledger.set_account($1::uuid, $2::bigint, $3::text);

-- name: operator_change_account
SELECT status, frozen_by, reason FROM ledger.operator_change_account($1::uuid, $2::text);

-- name: operator_read_account
SELECT * FROM ledger.operator_read_account($1::uuid);

-- name: issue_money
SELECT ledger.issue_money($1::uuid, $2::uuid, $3::bigint, $4::text);

-- name: redeem_money
SELECT ledger.redeem_money($1::uuid, $2::uuid, $3::bigint, $4::text);

-- name: reverse_payment
SELECT ledger.reverse_payment($1::uuid, $2::uuid, $3::text) AS outcome;
