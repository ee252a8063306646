-- What the service sends, by name.

-- name: give_site
SELECT disposition, (site).*
  FROM parking.give_site($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::text, $7::text,
                         $8::integer, $9::integer, $10::bigint, $11::bigint, $12::bigint,
                         $13::integer);

-- name: enter
SELECT disposition, (stay).*
  FROM parking.enter($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::uuid,
                     $7::timestamptz, $8::uuid);

-- name: leave
SELECT disposition, (stay).*
  FROM parking.leave($1::integer, $2::text, $3::bytea, $4::uuid, $5::timestamptz, $6::bigint,
                     $7::uuid[]);

-- name: hold_on
SELECT parking.hold_on($1::uuid[], $2::integer, $3::integer) AS count;

-- name: read_site
SELECT * FROM parking.read_site($1::uuid);

-- name: read_stay
SELECT (stay).*, (site).free_minutes, (site).unit_minutes, (site).unit_price, (site).day_max, holds
  FROM parking.read_stay($1::integer, $2::uuid);
