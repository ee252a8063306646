-- What the service sends, by name.

-- name: present
SELECT disposition, subject, place
  FROM bills.present($1::integer, $2::text, $3::bytea, $4::uuid[], $5::uuid[], $6::text[],
                     $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[],
                     $12::bigint[], $13::date[], $14::timestamptz[], $15::text[], $16::integer);

-- name: cancel
SELECT disposition, subject FROM bills.cancel($1::integer, $2::text, $3::bytea, $4::uuid);

-- name: read_bills
SELECT participant, customer, due_on, due_at, (request).*
  FROM bills.read_bills($1::integer, $2::uuid, $3::uuid, $4::uuid, $5::text, $6::uuid, $7::integer);

-- name: read_day
SELECT * FROM bills.read_day($1::integer, $2::uuid, $3::date);

-- name: read_payments
SELECT * FROM bills.read_payments($1::integer, $2::uuid, $3::date, $4::uuid, $5::integer);

-- name: plan_instalments
SELECT bills.plan_instalments($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::bigint[],
                              $7::date[]) AS disposition;

-- name: read_instalments
SELECT * FROM bills.read_instalments($1::integer, $2::uuid);

-- name: take_instalments
SELECT bills.take_instalments($1::uuid[], $2::integer, $3::integer) AS count;
