-- set_time_zone(name)
--
-- Purpose     Changes the time zone on whose days limits count; counts from the next decision on.
--             What every account has spent on the new zone's day, and in its year, is counted
--             anew, and by every mandate on its day and in its month.
-- Parameters  p_name  a name of the IANA time zone database
-- Returns     nothing; SW001 when Postgres does not know it
-- Locks       the setting, then every account that has paid, then every mandate that was used
-- Tables      updates setting, account, mandate; reads payment, payment_type, payment_state,
--             pending_payment
CREATE OR REPLACE FUNCTION ledger.set_time_zone(p_name text) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp
AS $$
DECLARE
    v_now   timestamptz;
    v_day   date;
    v_month date;  -- its first day, and likewise
    v_year  date;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_timezone_names WHERE name = p_name) THEN
        PERFORM ledger.refuse(format('"%s" is no time zone', p_name),
                              'use an IANA name such as Asia/Shanghai');
    END IF;
    UPDATE ledger.setting SET value = p_name WHERE name = 'time_zone';
    v_now := ledger.decision_time();
    v_day := ledger.local_day(v_now);
    v_month := date_trunc('month', v_day::timestamp);
    v_year := date_trunc('year', v_day::timestamp);
    UPDATE ledger.account a
       SET spent_day = v_day,
           (spent_today, spent_this_year) = (
               SELECT coalesce(sum(c.amount - c.uncounted) FILTER (
                          WHERE c.created_at >= v_day::timestamp AT TIME ZONE p_name
                            AND c.created_at < (v_day + 1)::timestamp AT TIME ZONE p_name), 0),
                      coalesce(sum(c.amount - c.uncounted_in_year), 0)
                 FROM (SELECT y.created_at, y.amount, coalesce(s.uncounted, 0) AS uncounted,
                              coalesce(s.uncounted_in_year, 0) AS uncounted_in_year
                         FROM ledger.payment y
                         JOIN ledger.payment_type t ON t.code = y.type AND t.counts_per_day
                         LEFT JOIN ledger.payment_state s
                                ON s.shard = y.shard AND s.payment = y.id
                        WHERE uuid_hash_extended(y.payer, 0) = uuid_hash_extended(a.id, 0)
                          AND y.shard = a.shard AND y.payer = a.id AND y.outcome = 0
                        UNION ALL
                       SELECT created_at, amount, 0, 0 FROM ledger.pending_payment w
                        WHERE w.shard = a.shard AND w.keeper = a.id AND w.is_counted) c
                WHERE c.created_at >= v_year::timestamp AT TIME ZONE p_name
                  AND c.created_at < (v_year + interval '1 year') AT TIME ZONE p_name)
     WHERE a.spent_day > '-infinity';
    UPDATE ledger.mandate m
       SET spent_day = v_day, spent_month = v_month,
           (spent_today, spent_this_month) = (
               SELECT coalesce(sum(y.amount) FILTER (
                          WHERE ledger.local_day(y.created_at) = v_day), 0),
                      coalesce(sum(y.amount) FILTER (
                          WHERE date_trunc('month', ledger.local_day(y.created_at)) = v_month), 0)
                 FROM ledger.payment y WHERE y.mandate = m.id AND y.outcome = 0)
     WHERE m.uses > 0;
END $$;
