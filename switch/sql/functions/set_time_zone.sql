-- set_time_zone(name)
--
-- Purpose     Changes the time zone on whose days limits count; counts from the next decision on.
--             What every account has spent on the new zone's day is counted anew.
-- Parameters  p_name  a name of the IANA time zone database
-- Returns     nothing; SW001 when Postgres does not know it
-- Locks       the setting, then every account that has paid
-- Tables      updates setting, account; reads payment, payment_type, payment_state
CREATE OR REPLACE FUNCTION ledger.set_time_zone(p_name text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_now timestamptz;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = p_name) THEN
        PERFORM ledger.refuse(format('"%s" is no time zone', p_name),
                              'use an IANA name such as Asia/Shanghai');
    END IF;
    UPDATE ledger.setting SET value = p_name WHERE name = 'time_zone';
    v_now := ledger.decision_time();
    UPDATE ledger.account a
       SET spent_day = ledger.local_day(v_now),
           spent_today = coalesce(
               (SELECT sum(y.amount - coalesce(s.uncounted, 0)) FROM ledger.payment y
                  JOIN ledger.payment_type t ON t.code = y.type AND t.counts_per_day
                  LEFT JOIN ledger.payment_state s ON s.shard = y.shard AND s.payment = y.id
                 WHERE uuid_hash_extended(y.payer, 0) = uuid_hash_extended(a.id, 0)
                   AND y.shard = a.shard AND y.payer = a.id AND y.outcome = 0
                   AND y.created_at >= v_now - interval '2 days'
                   AND ledger.local_day(y.created_at) = ledger.local_day(v_now)), 0)
     WHERE a.spent_day > '-infinity';
END $$;
