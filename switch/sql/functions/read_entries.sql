-- read_entries(participant_no, account, after_posting, after_item, limit) → rows
--
-- Purpose     An account's statement in posting order. What was read once never changes. Of each
--             fold no more is unpacked than the page may show.
-- Parameters  p_participant_no  who asks; p_account; p_after_posting, p_after_item  the entry after
--             which to go on (0, 0 from the start); p_limit  how many
-- Returns     one row an entry: posting, item (from 1; credits folded together share a posting),
--             direction, amount, balance_after, payment, type, counterparty, reference,
--             payee_reference, currency, posted_at, fee (what others were credited of what this
--             account was paid), drawn (what others paid of what it pays); none when the account is
--             not the participant's
-- Locks       none
-- Tables      reads account, payment, leg, draw, split, payment_type, fold
CREATE OR REPLACE FUNCTION ledger.read_entries(
    p_participant_no integer, p_account uuid, p_after_posting bigint, p_after_item integer,
    p_limit integer)
RETURNS TABLE (posting bigint, item integer, direction text, amount bigint, balance_after bigint,
               payment uuid, type text, counterparty uuid, reference text, payee_reference text,
               currency text, posted_at timestamptz, fee bigint, drawn bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
AS $$
    WITH own AS MATERIALIZED (
        SELECT a.shard, a.id FROM ledger.account a
         WHERE a.shard = 0 AND a.id = p_account AND a.participant_no = p_participant_no
    ), debit AS (
        SELECT y.payer_posting_no AS posting, 1 AS item, 'debit' AS direction,
               y.amount - coalesce(y.drawn, 0) AS amount,
               y.payer_balance_after AS balance_after, y.id AS payment, y.payee AS counterparty,
               y.created_at AS posted_at
          FROM own JOIN ledger.payment y ON y.shard = own.shard AND y.payer = own.id
         WHERE y.payer_posting_no > p_after_posting
         ORDER BY y.payer_posting_no LIMIT p_limit
    ), stood_in AS (
        SELECT l.payer_posting_no AS posting, 1 AS item, 'debit' AS direction, l.amount,
               l.payer_balance_after AS balance_after, l.payment, l.created_at AS posted_at
          FROM own JOIN ledger.leg l ON l.shard = own.shard AND l.payer = own.id
         WHERE l.payer_posting_no > p_after_posting
         ORDER BY l.payer_posting_no LIMIT p_limit
    ), drawn AS (
        SELECT d.posting_no AS posting, 1 AS item, 'debit' AS direction, d.amount, d.balance_after,
               d.payment, d.created_at AS posted_at
          FROM own JOIN ledger.draw d ON d.shard = own.shard AND d.account = own.id
         WHERE d.posting_no > p_after_posting
         ORDER BY d.posting_no LIMIT p_limit
    ), folded AS (
        SELECT f.posting_no, f.folded_at, f.opening_balance, f.transfer_ids, f.amounts,
               CASE WHEN f.posting_no > p_after_posting THEN 0
                    ELSE least(p_after_item, cardinality(f.transfer_ids)) END AS read_before
          FROM own JOIN ledger.fold f ON f.shard = own.shard AND f.account = own.id
         WHERE f.posting_no >= p_after_posting
         ORDER BY f.posting_no LIMIT p_limit + 1
    ), credit AS (
        SELECT f.posting_no AS posting, u.item, 'credit' AS direction, u.amount, u.balance_after,
               u.transfer_id AS payment, f.folded_at AS posted_at
          FROM folded f
         CROSS JOIN LATERAL (
               SELECT f.read_before + i.item::integer AS item, i.transfer_id, i.amount,
                      (f.opening_balance
                          + coalesce((SELECT sum(b) FROM unnest(f.amounts[:f.read_before]) AS b), 0)
                          + sum(i.amount) OVER (ORDER BY i.item))::bigint AS balance_after
                 FROM unnest(f.transfer_ids[f.read_before + 1:f.read_before + p_limit],
                             f.amounts[f.read_before + 1:f.read_before + p_limit])
                      WITH ORDINALITY AS i (transfer_id, amount, item)) u
         ORDER BY f.posting_no, u.item LIMIT p_limit
    ), entry AS (
        SELECT d.posting, d.item, d.direction, d.amount, d.balance_after, d.payment, d.posted_at
          FROM debit d
         UNION ALL
        SELECT s.posting, s.item, s.direction, s.amount, s.balance_after, s.payment, s.posted_at
          FROM stood_in s
         UNION ALL
        SELECT w.posting, w.item, w.direction, w.amount, w.balance_after, w.payment, w.posted_at
          FROM drawn w
         UNION ALL
        SELECT c.posting, c.item, c.direction, c.amount, c.balance_after, c.payment, c.posted_at
          FROM credit c
         ORDER BY posting, item LIMIT p_limit
    )
    SELECT e.posting, e.item, e.direction, e.amount, e.balance_after, e.payment, t.name,
           CASE WHEN e.direction = 'debit' THEN y.payee
                WHEN y.type IN (1, 11) AND y.split > 0 AND y.payee <> p_account
                     AND EXISTS (SELECT FROM ledger.split s WHERE s.shard = 0
                                    AND s.payment = y.id AND s.account = p_account) THEN y.payee
                ELSE y.payer END,
           y.reference, y.payee_reference, y.currency, e.posted_at,
           CASE WHEN e.direction = 'credit' AND y.payee = p_account AND y.type IN (1, 11)
                THEN y.split END,
           CASE WHEN e.direction = 'debit' AND y.payer = p_account THEN y.drawn END
      FROM entry e
     CROSS JOIN LATERAL (SELECT p.* FROM ledger.payment p
                          WHERE p.shard = 0 AND p.id = e.payment OFFSET 0) y
      JOIN ledger.payment_type t ON t.code = y.type
     ORDER BY e.posting, e.item
$$;
