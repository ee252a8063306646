-- What the service sends, by name.

-- name: offer
SELECT disposition, (packet).*
  FROM red_packets.offer($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::bigint,
                         $7::integer, $8::timestamptz, $9::bytea);

-- name: enter
SELECT disposition, (entry).*
  FROM red_packets.enter($1::integer, $2::text, $3::bytea, $4::uuid, $5::uuid, $6::uuid);

-- name: draw_next
SELECT red_packets.draw_next() AS entries;

-- name: tell_next
SELECT red_packets.tell_next($1::integer) AS count;

-- name: open_next
SELECT red_packets.open_next($1::uuid, $2::integer) AS opened;

-- name: give_next
SELECT red_packets.give_next($1::uuid[], $2::integer) AS count;

-- name: read_packet
SELECT * FROM red_packets.read_packet($1::uuid);

-- name: read_entry
SELECT * FROM red_packets.read_entry($1::integer, $2::uuid);

-- name: read_entries
SELECT * FROM red_packets.read_entries($1::uuid, $2::uuid, $3::integer);

-- name: check_books
SELECT check_name, subject, detail FROM red_packets.check_books();
