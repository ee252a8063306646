-- add_part(participant_no, key, digest, signed_by, disbursement, content, …arrays…) → one row
--
-- Purpose     Adds payouts to a draft, for a participant's signed message, once a key: all of the
--             part or none.
-- Parameters  p_participant_no, p_key, p_digest, p_signed_by  as create_draft; p_content
--             SHA-256 of its lines; of each payout p_line, p_account  null where a phone
--             number named nobody, p_amount, p_reference
-- Returns     disposition  0 added now, 1 before by the same message, or the same part under
--             another key, 2 the key was spent on something else, 4 no disbursement of the
--             participant, 5 barred, 6 it is no draft any more, 8 lines are wrong (4, 6 and
--             8 spend no key); act  where it is 0 or 1;
--             wrong  where it is 8, the first lines that are wrong and why: line, what
-- Locks       the disbursement, then the key claim
-- Tables      as ledger.claim_subject; inserts part, payout, act; updates disbursement; reads
--             account
CREATE OR REPLACE FUNCTION disbursements.add_part(
    p_participant_no integer, p_key text, p_digest bytea, p_signed_by text, p_disbursement uuid,
    p_content bytea, p_line integer[], p_account uuid[], p_amount bigint[],
    p_reference text[],
    OUT disposition smallint, OUT act disbursements.act, OUT wrong text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = disbursements, pg_temp
AS $$
DECLARE
    v_of   disbursements.disbursement;
    v_part disbursements.part;
BEGIN
    SELECT * INTO v_of FROM disbursements.disbursement
     WHERE id = p_disbursement AND participant_no = p_participant_no
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        disposition := 4;
        RETURN;
    END IF;
    IF NOT ledger.is_spent(p_participant_no, p_key) THEN
        SELECT * INTO v_part FROM disbursements.part
         WHERE disbursement = p_disbursement AND digest = p_content;
        IF FOUND THEN
            disposition := 1;
            SELECT * INTO STRICT act FROM disbursements.act a
             WHERE a.disbursement = p_disbursement AND a.part = v_part.number;
            RETURN;
        END IF;
        IF v_of.status <> 'draft' THEN
            disposition := 6;
            RETURN;
        END IF;
        wrong := disbursements.find_wrong(v_of, p_line, p_account, p_reference);
        IF wrong = '{}' AND (v_of.given + cardinality(p_line) > v_of.count
                             OR v_of.given_total + (SELECT sum(amount) FROM unnest(p_amount)
                                                        AS amount) > v_of.total) THEN
            wrong := ARRAY[format('with this part there are more than %s payouts, or of more than '
                                  '%s, as the draft says', v_of.count, v_of.total)];
        END IF;
        IF wrong <> '{}' THEN
            disposition := 8;
            RETURN;
        END IF;
    END IF;
    SELECT c.disposition INTO STRICT disposition
      FROM ledger.claim_subject(p_participant_no, p_key, p_digest, p_disbursement, 9::smallint) c;
    IF disposition = 0 THEN
        INSERT INTO disbursements.part (disbursement, number, digest, lines)
        VALUES (p_disbursement, v_of.parts + 1, p_content, cardinality(p_line));
        INSERT INTO disbursements.payout (disbursement, line, account, amount, reference)
        SELECT p_disbursement, m.line, m.account, m.amount, m.reference
          FROM unnest(p_line, p_account, p_amount, p_reference) AS m (line, account, amount,
                                                                      reference);
        UPDATE disbursements.disbursement
           SET parts = parts + 1, given = given + cardinality(p_line),
               given_total = given_total + (SELECT sum(amount) FROM unnest(p_amount) AS amount)
         WHERE id = p_disbursement;
        PERFORM disbursements.add_act(p_disbursement, p_participant_no, p_key, p_signed_by, 'part',
                                      'draft', v_of.parts + 1, cardinality(p_line));
    END IF;
    IF disposition IN (0, 1) THEN
        SELECT * INTO STRICT act FROM disbursements.act a
         WHERE a.participant_no = p_participant_no AND a.key = p_key;
    END IF;
END $$;
