-- present_account(row of account_now, at) → row of account_now
--
-- Purpose     An account as of this moment: a hold past its time keeps nothing, and gives back what
--             it counted on this day and in this year, whether or not that is posted; what was
--             spent on another day is not spent today, nor this year what was in another.
-- Parameters  p_row  the account as the view shows it; p_at  this moment
-- Returns     the same with `held`, `spent_today` and `spent_this_year` as of now
-- Locks       none
-- Tables      reads payment, payment_state, payment_type, setting
CREATE OR REPLACE FUNCTION ledger.present_account(p_row ledger.account_now, p_at timestamptz)
RETURNS ledger.account_now
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    v_expired record;
    v_year    constant numeric := extract(year FROM p_row.spent_day);
BEGIN
    IF p_row.held > 0 THEN
        SELECT coalesce(sum(s.amount - s.captured - s.voided - s.expired), 0) AS rest,
               coalesce(sum(s.amount - s.captured - s.voided - s.expired)
                            FILTER (WHERE t.counts_per_day
                                      AND ledger.local_day(s.decided_at) = p_row.spent_day
                                      AND ledger.local_day(s.hold_expires_at) = p_row.spent_day),
                        0) AS counted,
               coalesce(sum(s.amount - s.captured - s.voided - s.expired)
                            FILTER (WHERE t.counts_per_day
                                      AND ledger.local_year(s.decided_at) = v_year
                                      AND ledger.local_year(s.hold_expires_at) = v_year),
                        0) AS of_year
          INTO STRICT v_expired
          FROM ledger.payment_state s
          JOIN ledger.payment y ON y.shard = s.shard AND y.id = s.payment
          JOIN ledger.payment_type t ON t.code = y.type
         WHERE s.shard = p_row.shard AND s.payer = p_row.id AND s.hold_expires_at <= p_at
           AND s.captured + s.voided + s.expired < s.amount;
        p_row.held := p_row.held - v_expired.rest;
        p_row.spent_today := p_row.spent_today - v_expired.counted;
        p_row.spent_this_year := p_row.spent_this_year - v_expired.of_year;
    END IF;
    IF p_row.spent_today > 0 AND p_row.spent_day < ledger.local_day(p_at) THEN
        p_row.spent_today := 0;
    END IF;
    IF p_row.spent_this_year > 0 AND v_year < ledger.local_year(p_at) THEN
        p_row.spent_this_year := 0;
    END IF;
    RETURN p_row;
END $$;
