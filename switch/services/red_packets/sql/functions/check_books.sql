-- check_books() → (check_name, subject, detail)
--
-- Purpose     Proves that no offer gave more than it had, and each gift once, by a payment of it.
-- Returns     one row a deviation, none when all is right
-- Locks       none
-- Tables      reads packet, entry, payment
CREATE OR REPLACE FUNCTION red_packets.check_books()
RETURNS TABLE (check_name text, subject text, detail text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = red_packets, pg_temp
AS $$
    SELECT 'red_packet_won', k.id::text,
           format('%s of %s entries have won, it says %s of %s', n.won, n.entries, k.won,
                  k.entries)
      FROM red_packets.packet k
     CROSS JOIN LATERAL (SELECT count(*) AS entries,
                                count(*) FILTER (WHERE e.status IN ('won', 'given')
                                                    OR e.lot <= k.last_lot) AS won
                           FROM red_packets.entry e WHERE e.packet = k.id) n
     WHERE (n.entries, n.won) <> (k.entries, k.won)
     UNION ALL
    SELECT 'red_packet_gift', e.id::text,
           format('payment %s is not %s of it to its purse', e.payment, k.amount)
      FROM red_packets.entry e
      JOIN red_packets.packet k ON k.id = e.packet
      LEFT JOIN ledger.payment y ON y.shard = 0 AND y.id = e.payment AND y.outcome = 0
     WHERE e.status = 'given'
       AND (y.payer, y.payee, y.amount) IS DISTINCT FROM (k.account, e.purse, k.amount)
$$;
