-- What the service sends, by name.

-- name: register
SELECT disposition, (operation).*
  FROM wallets.register($1::integer, $2::text, $3::bytea, $4::uuid, $5::text, $6::text, $7::text,
                        $8::bytea, $9::bytea, $10::bytea, $11::bytea, $12::bytea, $13::boolean);

-- name: forget
SELECT disposition, (operation).*
  FROM wallets.forget($1::integer, $2::text, $3::bytea, $4::uuid, $5::text);

-- name: close
SELECT disposition, (operation).*
  FROM wallets.close($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::uuid);

-- name: upgrade
SELECT disposition, about, (operation).*
  FROM wallets.upgrade($1::integer, $2::text, $3::bytea, $4::uuid, $5::text, $6::text[],
                       $7::text[], $8::bytea, $9::bytea, $10::bytea, $11::bytea, $12::bytea,
                       $13::boolean);

-- name: resolve_aliases
SELECT place, account, sealed_name
  FROM wallets.resolve_aliases($1::text, $2::bytea[], $3::text, $4::bytea);

-- name: read_wallets
SELECT * FROM wallets.read_wallets($1::integer, $2::uuid, $3::uuid, $4::integer);

-- name: read_sealed
SELECT * FROM wallets.read_sealed($1::uuid, $2::integer);

-- name: reseal
SELECT wallets.reseal($1::uuid[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[],
                      $7::bytea[]) AS changed;
