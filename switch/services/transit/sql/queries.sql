-- What the service sends, by name.

-- name: give_network
SELECT disposition, (network).*
  FROM transit.give_network($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::text,
                            $7::text, $8::time, $9::integer, $10::bigint);

-- name: lay_fares
SELECT disposition, (fares).*
  FROM transit.lay_fares($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::date,
                         $7::text[], $8::text, $9::integer);

-- name: add_gate
SELECT disposition, (gate).*
  FROM transit.add_gate($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::text,
                        $7::bytea);

-- name: close_gate
SELECT disposition, (gate).*
  FROM transit.close_gate($1::integer, $2::text, $3::bytea, $4::uuid);

-- name: give_token
SELECT disposition, (token).*
  FROM transit.give_token($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::uuid,
                          $7::bytea, $8::text, $9::timestamptz, $10::timestamptz, $11::text);

-- name: block_token
SELECT disposition, (token).*
  FROM transit.block_token($1::integer, $2::text, $3::bytea, $4::uuid);

-- name: ask_again
SELECT disposition, (token).*
  FROM transit.ask_again($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid);

-- name: take_taps
SELECT transit.take_taps($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[],
                         $6::text[], $7::bytea[], $8::bytea[], $9::integer) AS verdicts;

-- name: due_weeks
SELECT * FROM transit.due_weeks($1::integer);

-- name: settle_weeks
SELECT * FROM transit.settle_weeks($1::uuid[], $2::date[], $3::integer[], $4::bigint[],
                                   $5::bigint[], $6::timestamptz[], $7::date[], $8::uuid[],
                                   $9::integer, $10::integer, $11::integer);

-- name: give_back
SELECT transit.give_back($1::uuid, $2::date, $3::uuid[], $4::integer, $5::integer) AS count;

-- name: read_network
SELECT * FROM transit.read_network($1::uuid);

-- name: read_fares
SELECT * FROM transit.read_fares($1::uuid, $2::date, $3::date);

-- name: read_gates
SELECT * FROM transit.read_gates($1::integer, $2::uuid[]);

-- name: read_tokens
SELECT * FROM transit.read_tokens($1::integer, $2::uuid[]);

-- name: read_standing
SELECT (token).*, (network).currency, (network).participant_no AS operator_no, fares, due, paid,
       reason
  FROM transit.read_standing($1::integer, $2::uuid);

-- name: read_week
SELECT * FROM transit.read_week($1::integer, $2::uuid, $3::date);

-- name: read_denied
SELECT * FROM transit.read_denied($1::integer, $2::uuid, $3::bigint, $4::integer);

-- name: runs_network
SELECT id FROM transit.read_network($2::uuid) WHERE participant_no = $1::integer;

-- name: check_books
SELECT check_name, subject, detail FROM transit.check_books();
