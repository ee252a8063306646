-- What the service sends, by name.

-- name: open_checkout
SELECT disposition, subject, page_url, return_url, (request).*
  FROM checkout.open_checkout($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::text,
                              $7::text, $8::bigint, $9::bigint, $10::text, $11::text,
                              $12::timestamptz, $13::text, $14::text);

-- name: cancel_checkout
SELECT disposition, subject, page_url, return_url, (request).*
  FROM checkout.cancel_checkout($1::integer, $2::text, $3::bytea, $4::uuid);

-- name: read_checkouts
SELECT page_url, return_url, (request).*
  FROM checkout.read_checkouts($1::integer, $2::uuid, $3::uuid, $4::integer);

-- name: read_page
SELECT page_url, return_url, participant, (request).* FROM checkout.read_page($1::uuid);
