-- lock_accounts(shard, participant_no[], payers[], dispositions[], capped[], by_mandate[]) → arrays
--
-- Purpose     Locks, in one order, every account whose balance a batch may change, and reads what
--             it decides by.
-- Parameters  p_shard; p_participant_no, p_payer, p_dispositions  of each message; p_capped  payees
--             whose balance is capped. Payers are locked only if one of the batch's senders holds
--             them: a stranger locks nobody out; p_by_mandate  payers whose mandate is locked
-- Returns     of each locked account: ids, rows (where its row stands, valid until this transaction
--             updates it), holders, kinds, currencies, blocks (payer_frozen or payer_closed or 0),
--             balances, held, bounds (held + floor: what the balance may not fall below),
--             postings, spent, spent_in_year and spent_days, and of its tier payment_limits,
--             daily_limits, yearly_limits, balance_limits (null for none);
--             with_purses  those accounts that have purses, null when none has
-- Locks       accounts in id order, FOR NO KEY UPDATE
-- Tables      reads account, tier
CREATE OR REPLACE FUNCTION ledger.lock_accounts(
    p_shard smallint, p_participant_no integer[], p_payer uuid[], p_dispositions smallint[],
    p_capped uuid[], p_by_mandate uuid[],
    OUT ids uuid[], OUT rows tid[], OUT holders integer[], OUT kinds text[], OUT currencies text[],
    OUT blocks smallint[], OUT balances bigint[], OUT held bigint[], OUT bounds bigint[],
    OUT postings bigint[], OUT spent bigint[], OUT spent_in_year bigint[], OUT spent_days date[],
    OUT payment_limits bigint[], OUT daily_limits bigint[], OUT yearly_limits bigint[],
    OUT balance_limits bigint[], OUT with_purses uuid[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_wanted constant uuid[] :=
        ARRAY(SELECT m.payer FROM unnest(p_payer, p_dispositions) AS m (payer, disposition)
               WHERE m.disposition = 0) || p_capped;
    v_unseen boolean;  -- whether some account has a tier that the statement did not see
BEGIN
    FOR attempt IN 1 .. 2 LOOP
        SELECT array_agg(a.id), array_agg(a.ctid), array_agg(a.participant_no), array_agg(a.kind),
               array_agg(a.currency),
               array_agg(CASE WHEN a.holder_freeze OR a.operator_freeze THEN 70
                              WHEN a.lifecycle <> 'open' THEN 80
                              ELSE 0 END),
               array_agg(a.balance), array_agg(a.held),
               array_agg(a.held + a.floor), array_agg(a.posting_count),
               array_agg(a.spent_today), array_agg(a.spent_this_year), array_agg(a.spent_day),
               array_agg(t.payment_limit), array_agg(t.daily_limit), array_agg(t.yearly_limit),
               array_agg(t.balance_limit), array_agg(a.id) FILTER (WHERE a.has_purses),
               coalesce(bool_or(a.tier IS NOT NULL AND t.name IS NULL), false)
          INTO ids, rows, holders, kinds, currencies, blocks, balances, held, bounds, postings,
               spent, spent_in_year, spent_days, payment_limits, daily_limits, yearly_limits,
               balance_limits, with_purses, v_unseen
          FROM (SELECT *, ctid FROM ledger.account
                 WHERE shard = p_shard AND id = ANY (v_wanted)
                   AND (participant_no = ANY (p_participant_no) OR id = ANY (p_capped)
                        OR id = ANY (p_by_mandate))
                   AND kind NOT IN ('purse', 'campaign')  -- these come later, as lock_funds says
                 ORDER BY id
                   FOR NO KEY UPDATE) a
          LEFT JOIN ledger.tier t ON t.name = a.tier AND t.currency = a.currency;
        -- An account may have been waited for while it was moved to a tier that this statement
        -- could not see yet. It is locked now, and the next statement sees its tier.
        EXIT WHEN NOT v_unseen;
    END LOOP;
END $$;
