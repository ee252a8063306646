-- What the service sends, by name.

-- name: create_draft
SELECT disposition, (act).*
  FROM disbursements.create_draft($1::integer, $2::text, $3::bytea, $4::text, $5::uuid, $6::uuid,
                                  $7::text, $8::integer, $9::bigint, $10::text);

-- name: add_part
SELECT disposition, wrong, (act).*
  FROM disbursements.add_part($1::integer, $2::text, $3::bytea, $4::text, $5::uuid, $6::bytea,
                              $7::integer[], $8::uuid[], $9::bigint[], $10::text[]);

-- name: take_act
SELECT disposition, t.status AS was, t.given, t.given_total, t.wrong, (act).*
  FROM disbursements.take_act($1::integer, $2::text, $3::bytea, $4::text, $5::uuid, $6::text) t;

-- name: pay_next
SELECT disbursements.pay_next($1::uuid[]) AS count;

-- name: read_disbursements
SELECT ledger.participant_name(d.participant_no) AS participant, d.*
  FROM disbursements.read_disbursements($1::integer, $2::uuid, $3::uuid, $4::integer) d
 ORDER BY d.id;

-- name: read_results
SELECT * FROM disbursements.read_results($1::integer, $2::uuid, $3::integer, $4::integer,
                                         $5::integer);
