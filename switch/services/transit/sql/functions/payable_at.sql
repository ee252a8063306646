-- payable_at(day, network) → timestamptz
--
-- Purpose     When the fares of a service day are due: it is over, and late taps had their time.
-- Parameters  p_day; p_network
-- Returns     null where the day is
-- Locks       none
-- Tables      reads setting
CREATE OR REPLACE FUNCTION transit.payable_at(
    p_day date, p_network transit.network) RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT (((p_day + 1)::timestamp + p_network.day_begins::interval) AT TIME ZONE value)
           + make_interval(mins => p_network.settle_minutes)
      FROM ledger.setting WHERE name = 'time_zone'
$$;
