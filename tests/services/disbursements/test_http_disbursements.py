"""Disbursements over HTTP: made in steps, checked before anything moves, each line paid once."""

import json
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.services.disbursements.office import MONEY, Office


async def test_a_disbursement_is_made_and_paid(office: Office) -> None:
    """Draft, parts in two forms, submission, a second person, payment, results."""
    lines = office.lines(7)
    reply = await office.create(7, 70)
    assert (reply.status, reply.json["act"], reply.json["status"]) == (201, "create", "draft")
    made = reply.json["disbursement"]
    reply = await office.add(made, lines[:4])
    assert (reply.json["part"], reply.json["lines"]) == (1, 4)
    text = "".join(
        json.dumps(dict(zip(("line", "account", "amount", "reference"), line, strict=True))) + "\n"
        for line in lines[4:]
    )
    reply = await office.town.send(
        office.clerk, "POST", f"/v1/disbursements/{made}/parts", body=text.encode(),
        key=uuid4().hex, changed={"Content-Type": "application/x-ndjson; charset=utf-8"},
    )  # fmt: skip
    assert (reply.status, reply.json["part"], reply.json["lines"]) == (201, 2, 3)
    assert (await office.act(made, "submit")).json["status"] == "submitted"
    assert await office.pay() == 0, "nothing moves before it is approved"
    assert (await office.act(made, "approve", office.head)).json["status"] == "paying"
    assert await office.pay() == 7
    shown = await office.shown(made)
    assert (shown["status"], shown["paid"], shown["declined"], shown["left"]) == ("done", 7, 0, 0)
    assert (shown["paid_total"], shown["percent"]) == (70, 100.0)
    assert await office.balance() == MONEY - 70
    results = await office.results(made, limit=3)
    assert [(one["line"], one["account"], one["amount"]) for one in results] == [
        line[:3] for line in lines
    ]
    assert {one["reason"] for one in results} == {None}
    paid = await office.town.shown(office.wallet, results[0]["payment"])
    assert (paid["reference"], paid["description"], paid["type"]) == ("P-1", "Pensions", "transfer")
    assert await office.town.operator.check_books() == []


async def test_everything_is_answered_once_a_key(office: Office) -> None:
    """The same bytes to a repeat, whatever it has become; another message under the key is 422."""
    content = {"payer": office.account, "currency": "CNY", "count": 1, "total": 5, "purpose": "P"}
    first = await office.post(office.clerk, "", content=content, key="d")
    again = await office.post(office.clerk, "", content=content, key="d")
    assert (first.status, again.status, again.body) == (201, 200, first.body)
    other = await office.post(office.clerk, "", content=content | {"total": 6}, key="d")
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    made = first.json["disbursement"]
    lines = office.lines(1, 5)
    part = await office.add(made, lines, key="p")
    assert (await office.add(made, lines, key="p")).body == part.body
    same = await office.add(made, lines, key="another")
    assert (same.status, same.body) == (200, part.body), "the same part adds nothing"
    for act, sender in (("submit", office.clerk), ("approve", office.head)):
        done = await office.act(made, act, sender, key=act)
        assert done.status == 201, done.body
        again = await office.act(made, act, sender, key=act)
        assert (again.status, again.body) == (200, done.body)
    assert (await office.add(made, lines, key="p")).body == part.body
    barred = await office.town.bar(office.clerk, "d")
    assert barred.json == {"id": made, "idempotency_key": "d"}
    await office.pay()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"count": 0}, "count"),
        ({"count": 1_000_001}, "count"),
        ({"total": 0}, "total"),
        ({"currency": "CNX"}, "currency"),
        ({"purpose": ""}, "purpose"),
        ({"payer": "x"}, "payer"),
        ({"lines": []}, "lines"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
async def test_a_draft_that_breaks_a_rule(office: Office, more: dict[str, Any], field: str) -> None:
    """Says which field."""
    reply = await office.create(**({"count": 1, "total": 5} | more))
    assert (reply.status, reply.json["field"]) == (400, field)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "There is no line"),
        ("{head}", "There is no line"),
        ("{head}1,{0},5\n", "Line 2: It has not as many members as the head"),
        ("{head}1,{0},5,a\n2,nobody,5,b\n", "Line 3: "),
        ("{head}1,{0},-5,a\n", "Line 2: Expected digits"),
        ("{head}1,{0},5.0,a\n", "Line 2: Expected digits"),
        ("{head}0,{0},5,a\n", "Line 2: "),
        ("{head}1,{0},5,\n", "Line 2: "),
        ("{head}1,{0},5,a\x07\n", "control characters"),
        ('{head}1,{0},5,"a\n', "no CSV"),
        ("line,account,amount,note\n", "The head has names out of line, account, phone, amount"),
        ("{head}1,{0},5,a\n1,{0},5,b\n", "line 1: this line was given twice"),
        ("{head}1,{0},5,a\n2,{0},6,a\n", "line 2: this account and reference were given twice"),
        ("{head}1,{1},5,a\n", "line 1: there is no such account"),
        ("{head}1,{2},5,a\n", "line 1: the payer itself"),
        ("{head}1,{0},12,a\n", "more than 2 payouts, or of more than 11"),
        ("{head}1,{0},5,a\n2,{0},5,b\n3,{0},1,c\n", "more than 2 payouts, or of more than 11"),
        ("{head}1,{0},999999999999999,a\n2,{0},999999999999999,b\n", "or of more than 11"),
    ],
)  # fmt: skip
async def test_a_part_that_is_wrong_adds_nothing(office: Office, text: str, why: str) -> None:
    """All lines or none; the answer names the lines."""
    made = (await office.create(2, 11)).json["disbursement"]
    head = "line,account,amount,reference\n"
    body = text.format(office.pensioners[0], uuid4(), office.account, head=head)
    reply = await office.town.send(
        office.clerk, "POST", f"/v1/disbursements/{made}/parts", body=body.encode(), key="part",
        changed={"Content-Type": "text/csv"},
    )  # fmt: skip
    assert (reply.status, reply.problem) == (400, "malformed-message")
    assert why in reply.json["detail"]
    assert (await office.shown(made))["given"] == 0
    assert (await office.add(made, office.lines(1), key="part")).status == 201


async def test_lines_are_given_once_over_all_parts(office: Office) -> None:
    """A line, or an account with a reference, of an earlier part is refused."""
    made = (await office.create(9, 90)).json["disbursement"]
    assert (await office.add(made, office.lines(3))).status == 201
    again = await office.add(made, office.lines(2, first=3))
    assert "line 3: this line was given twice" in again.json["detail"]
    (line,) = office.lines(1)
    again = await office.add(made, [(9, *line[1:])])
    assert "line 9: this account and reference were given twice" in again.json["detail"]


async def test_what_is_not_what_the_draft_says_is_not_submitted(office: Office) -> None:
    """Count and total are compared; what is missing may be added."""
    made = (await office.create(3, 30)).json["disbursement"]
    lines = office.lines(3)
    await office.add(made, lines[:2])
    reply = await office.act(made, "submit", key="s")
    assert (reply.status, reply.problem) == (400, "malformed-message")
    assert "2 payouts of 20" in reply.json["detail"]
    await office.add(made, lines[2:])
    assert (await office.act(made, "submit", key="s")).status == 201
    reply = await office.add(made, office.lines(1, first=9))
    assert "no draft any more" in reply.json["detail"]


async def test_accounts_that_cannot_be_paid(office: Office) -> None:
    """Closed, of another currency, or of another kind: at the part, and closed ones once more."""
    town = office.town
    closed = await town.account(office.wallet, "wallet")
    await town.operator.change_account(closed, "close")
    foreign = await town.account(office.wallet, "wallet", currency="EUR")
    position = await town.account(await town.member("bank"), "position")
    made = (await office.create(2, 20)).json["disbursement"]
    for account, why in (
        (closed, "the account is closed"),
        (foreign, "the account has another currency"),
        (position, "this kind of account is not paid"),
    ):
        reply = await office.add(made, [(1, account, 10, "P-1")])
        assert f"line 1: {why}" in reply.json["detail"]
    open_until_then = await town.account(office.wallet, "wallet")
    await office.add(made, [(1, open_until_then, 10, "P-1"), *office.lines(1, first=2)])
    await town.operator.change_account(open_until_then, "close")
    reply = await office.act(made, "submit")
    assert (reply.status, "line 1: the account is closed" in reply.json["detail"]) == (400, True)


async def test_who_did_what_is_kept_and_cannot_be_changed(office: Office) -> None:
    """Each act with the key that signed it, in order."""
    made = await office.approved(office.lines(1))
    await office.pay()
    rows = await office.town.operator.connection.fetch(
        "SELECT act, signed_by FROM disbursements.act WHERE disbursement = $1 ORDER BY number", made
    )
    clerk, head = office.clerk.key.key_id, office.head.key.key_id
    assert [tuple(row) for row in rows] == [
        ("create", clerk), ("part", clerk), ("submit", clerk), ("approve", head),
    ]  # fmt: skip
    for statement in ("DELETE FROM disbursements.act", "UPDATE disbursements.act SET status = ''"):
        with pytest.raises(asyncpg.PostgresError):
            await office.town.operator.connection.execute(statement)


async def test_those_that_are_paid_take_turns(office: Office) -> None:
    """A long one does not hold up a short one."""
    long = await office.approved(office.lines(300))
    short = await office.approved(office.lines(10, first=1))
    assert await office.pay(batches=2) == 74
    assert (await office.shown(short))["status"] == "done"
    assert (await office.shown(long))["paid"] == 64
    assert await office.pay() == 236


async def test_however_it_is_interrupted_the_end_is_the_same(office: Office, seed: int) -> None:
    """Paused, resumed, out of money and rolled back at random: as if it was paid in one go."""
    random = Random(f"{seed} interruptions")
    for turn in range(5):
        count = random.randint(1, 300)
        lines = office.lines(count, amount=random.randint(1, 50), first=1)
        made, before = await office.approved(lines), await office.balance()
        while (await office.shown(made))["status"] != "done":
            match random.choice(["pay", "pay", "pause", "roll back"]):
                case "pay":
                    await office.pay(batches=random.randint(1, 2))
                case "roll back":
                    await office.lose_a_batch()
                case "pause":
                    await office.act(made, "pause")
                    await office.act(made, "resume")
        shown = await office.shown(made)
        assert (shown["paid"], shown["declined"]) == (count, 0), f"--seed {seed}, turn {turn}"
        assert before - await office.balance() == shown["paid_total"] == sum(x[2] for x in lines)
        results = await office.results(made)
        assert [one["line"] for one in results] == list(range(1, count + 1))
        assert len({one["payment"] for one in results}) == count
    assert await office.town.operator.check_books() == []


async def test_two_people_are_needed(office: Office) -> None:
    """Who made it, gave a part or submitted it does not approve it."""
    made = await office.drafted(office.lines(1))
    await office.act(made, "submit", office.head)
    for sender in (office.clerk, office.head):
        reply = await office.act(made, "approve", sender)
        assert (reply.status, "Another person" in reply.json["detail"]) == (400, True)
    assert await office.pay() == 0


async def test_an_act_that_the_status_does_not_allow(office: Office) -> None:
    """Says so, and changes nothing."""
    made = await office.drafted(office.lines(1))
    for act in ("approve", "pause", "resume"):
        reply = await office.act(made, act, office.head)
        assert "that is draft cannot be" in reply.json["detail"]
    assert (await office.act(made, "cancel")).json["status"] == "cancelled"
    for act in ("submit", "approve", "pause", "resume", "cancel"):
        assert (await office.act(made, act, office.head)).status == 400
    assert await office.pay() == 0


async def test_it_is_paused_and_goes_on(office: Office) -> None:
    """What was paid stays, what was not waits; cancelled, it never is."""
    made = await office.approved(office.lines(200))
    assert await office.pay(batches=1) == 64
    assert (await office.act(made, "pause")).json["status"] == "paused"
    assert await office.pay() == 0
    assert (await office.shown(made))["paid"] == 64
    assert (await office.act(made, "resume")).status == 201
    assert await office.pay(batches=1) == 64
    assert (await office.act(made, "cancel")).status == 201
    assert await office.pay() == 0
    shown = await office.shown(made)
    assert (shown["status"], shown["paid"], shown["left"]) == ("cancelled", 128, 72)
    assert await office.balance() == MONEY - 1280


async def test_declined_lines_keep_their_reason(office: Office) -> None:
    """And their neighbours are paid."""
    made = await office.approved(office.lines(10))
    await office.town.operator.change_account(office.pensioners[2], "close")
    assert await office.pay() == 10
    shown = await office.shown(made)
    assert (shown["status"], shown["paid"], shown["declined"]) == ("done", 8, 2)
    reasons = {one["line"]: one["reason"] for one in await office.results(made)}
    assert reasons == dict.fromkeys(range(1, 11)) | {3: "payee_closed", 8: "payee_closed"}


async def test_without_money_it_waits(office: Office) -> None:
    """Short lines are not declined for good: they are tried again when it is resumed."""
    made = await office.approved(office.lines(100, amount=MONEY // 50))
    assert await office.pay() == 64
    shown = await office.shown(made)
    assert (shown["status"], shown["reason"], shown["paid"]) == ("paused", "insufficient_funds", 50)
    await office.act(made, "resume")
    assert await office.pay() == 50, "fourteen again, and what is left"
    assert (await office.shown(made))["paid"] == 50
    await office.town.operator.issue(office.account, MONEY, reason="test")
    await office.act(made, "resume")
    assert await office.pay() == 50
    shown = await office.shown(made)
    assert (shown["status"], shown["reason"], shown["paid"]) == ("done", None, 100)
    lines = [one["line"] for one in await office.results(made)]
    assert sorted(lines) == list(range(1, 101))
    assert await office.balance() == 0


async def test_a_key_that_was_spent_on_something_else_is_a_reason(office: Office) -> None:
    """Nobody is paid under it, and the others are."""
    made = await office.approved(office.lines(2))
    await office.town.bar(office.clerk, f"disbursement:{made}:1")
    await office.pay()
    reasons = [one["reason"] for one in await office.results(made)]
    assert reasons == ["barred", None]


async def test_it_is_nobody_elses(office: Office) -> None:
    """Another participant neither sees nor touches it."""
    made = await office.drafted(office.lines(1))
    for path in ("", "/results"):
        reply = await office.town.send(office.wallet, "GET", f"/v1/disbursements/{made}{path}")
        assert (reply.status, reply.problem) == (404, "not-found")
    for reply in (
        await office.act(made, "submit", office.wallet),
        await office.add(made, office.lines(1, first=5), sender=office.wallet),
        await office.create(1, 5, payer=office.pensioners[0]),
    ):
        assert (reply.status, reply.problem) == (404, "not-found")
    listed = await office.town.send(office.wallet, "GET", "/v1/disbursements")
    assert listed.json["data"] == []
    listed = await office.town.send(office.clerk, "GET", "/v1/disbursements")
    assert [one["id"] for one in listed.json["data"]] == [made]


async def test_a_suspended_office_pays_nobody(office: Office) -> None:
    """Until it may again."""
    made = await office.approved(office.lines(3))
    operator = office.town.operator
    await operator.set_participant_status(office.clerk.id, status="suspended")
    assert await office.pay() == 0
    await operator.set_participant_status(office.clerk.id, status="active")
    assert await office.pay() == 3
    assert (await office.shown(made))["status"] == "done"


async def test_a_purse_is_filled_by_it(office: Office) -> None:
    """Money for a purpose, by the thousand."""
    connection, number = office.town.operator.connection, await _number(office)
    purpose, purse = uuid4(), uuid4()
    await connection.fetchval(
        "SELECT disposition FROM ledger.give_purpose($1, 'u', $2, $3, $4, 'meals', NULL, NULL,"
        " NULL, NULL, NULL, now() + interval '1 day')", number, bytes(32), purpose, office.account,
    )  # fmt: skip
    await connection.fetchval(
        "SELECT disposition FROM ledger.open_purse($1, 'p', $2, $3, $4, $5)",
        number, bytes(32), purse, purpose, office.pensioners[0],
    )  # fmt: skip
    await office.approved([(1, purse, 40, "meals")])
    assert await office.pay() == 1
    assert (await office.town.balance(office.wallet, str(purse)))[0] == 40


async def _number(office: Office) -> int:
    found = await office.town.operator.connection.fetchval(
        "SELECT participant_no FROM ledger.participant WHERE id = $1", office.clerk.id
    )
    return int(found)
