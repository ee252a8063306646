"""Look-ups over HTTP: what is shown to whom, in which order, and what a query may say."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from switch import limits
from tests.integration.town import Member, Town, payment

NOBODY = "0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1eff"  # the id of nothing


async def pages(town: Town, reader: Member, target: str) -> AsyncIterator[list[dict[str, Any]]]:
    """All pieces of a list, by the cursor that each gives for the next."""
    joint = "&" if "?" in target else "?"
    after = ""
    for _ in range(100):
        reply = await town.send(reader, "GET", target + after)
        assert reply.status == 200, reply.body
        yield reply.json["data"]
        if not reply.json["has_more"]:
            assert reply.json["next_after"] is None
            return
        after = f"{joint}after={reply.json['next_after']}"
    pytest.fail("a list that does not end")


async def test_a_payment_is_shown_to_its_parties_only(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Sender and payee read it; the payee without metadata; anybody else gets 404."""
    sent = (await town.pay(wallet, payer, payee, 5, key="shown", metadata={"till": "3"})).json
    target = f"/v1/payments/{sent['id']}"
    assert (await town.send(wallet, "GET", target)).json == sent
    assert (await town.send(merchant, "GET", target)).json == sent | {"metadata": None}
    reply = await town.send(await town.member("bank"), "GET", target)
    assert (reply.status, reply.problem) == (404, "not-found")
    assert reply.is_signed


async def test_the_payment_under_a_key(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """The sender finds its decision by its key; a key of another participant is another key."""
    sent = await town.pay(wallet, payer, payee, 5, key="a key!")
    found = await town.send(wallet, "GET", "/v1/payments?idempotency_key=a%20key!")
    assert found.problem == "malformed-message", "a space is no visible character"
    sent = await town.pay(wallet, payer, payee, 5, key="a&key=%")
    found = await town.send(wallet, "GET", "/v1/payments?idempotency_key=a%26key%3D%25")
    assert (found.status, found.body) == (200, sent.body)
    for reader, key in ((merchant, "a%26key%3D%25"), (wallet, "never-sent")):
        reply = await town.send(reader, "GET", f"/v1/payments?idempotency_key={key}")
        assert (reply.status, reply.problem) == (404, "not-found")


async def test_a_key_that_is_spent_on_an_account_is_told_from_one_that_is_free(
    town: Town, wallet: Member
) -> None:
    """Waiting for a payment under a key that opened an account would be in vain."""
    details = []
    content = {"currency": "CNY", "kind": "wallet"}
    for key in ("opens-an-account", "free"):
        if key != "free":
            opened = await town.send(wallet, "POST", "/v1/accounts", content=content, key=key)
            assert opened.status == 201
        reply = await town.send(wallet, "GET", f"/v1/payments?idempotency_key={key}")
        assert (reply.status, reply.problem, reply.is_signed) == (404, "not-found", True)
        details.append(reply.json["detail"])
    assert "spent on another operation" in details[0]
    assert "not decided so far" in details[1]


async def test_payments_are_listed_in_their_order_and_by_their_marks(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """By reference, by account, by time, piece by piece: nothing twice, nothing left out."""
    sent = []
    for number in range(7):
        reference = "odd" if number % 2 else "even"
        sent.append((await town.pay(wallet, payer, payee, 1 + number, reference=reference)).json)
    ids = [one["id"] for one in sent]

    async def listed(reader: Member, target: str) -> list[str]:
        return [one["id"] async for page in pages(town, reader, target) for one in page]

    assert await listed(wallet, "/v1/payments?limit=3") == ids
    assert await listed(wallet, "/v1/payments?limit=2&reference=odd") == ids[1::2]
    issued, *paid = await listed(wallet, f"/v1/payments?account={payer}&limit=7")
    assert paid == ids
    assert (await town.send(wallet, "GET", f"/v1/payments/{issued}")).json["type"] == "issue"
    assert await listed(merchant, f"/v1/payments?account={payee}") == ids
    assert await listed(merchant, f"/v1/payments?account={payer}") == []
    assert await listed(merchant, "/v1/payments") == [], "the payee did not send them"
    at = sent[3]["created_at"]
    assert await listed(wallet, f"/v1/payments?from={at}") == ids[3:]
    assert await listed(wallet, f"/v1/payments?to={at}&limit=2") == ids[:3]
    assert await listed(wallet, f"/v1/payments?from={at}&to={at}") == []


async def test_a_statement_has_a_running_balance_that_never_changes(
    town: Town, wallet: Member, payer: str, payee: str
) -> None:
    """Debits and folded credits in posting order; read again later, what was read is the same."""
    other = await town.account(wallet, "wallet", balance=1_000)
    for number in range(3):
        await town.pay(wallet, payer, other, 10 + number)
        await town.pay(wallet, other, payee, 400 + number, reference=f"r{number}")
    await town.operator.fold_credits()
    first = [one async for page in pages(town, wallet, f"/v1/accounts/{other}/entries?limit=2")
             for one in page]  # fmt: skip
    assert [(one["posting"], one["item"]) for one in first] == sorted(
        (one["posting"], one["item"]) for one in first
    )
    balance = 0
    for one in first:
        balance += one["amount"] if one["direction"] == "credit" else -one["amount"]
        assert one["balance_after"] == balance
        assert one["account"] == other
        assert one["currency"] == "CNY"
    shown = (await town.send(wallet, "GET", f"/v1/accounts/{other}")).json
    assert shown["balance"] == balance
    await town.pay(wallet, payer, other, 1)
    await town.operator.fold_credits()
    again = [one async for page in pages(town, wallet, f"/v1/accounts/{other}/entries")
             for one in page]  # fmt: skip
    assert again[: len(first)] == first
    assert len(again) == len(first) + 1


async def test_accounts_are_ones_own(
    town: Town, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """One's own by id, by reference, in pieces; another's account and its statement are 404."""
    marked = [await town.account(wallet, "wallet", reference="customer 7 & co") for _ in range(3)]
    found = [one["id"] async for page in pages(town, wallet, "/v1/accounts?limit=2")
             for one in page]  # fmt: skip
    assert found == sorted([payer, *marked])
    target = "/v1/accounts?reference=customer+7%20%26+co&limit=1"
    assert [one["id"] async for page in pages(town, wallet, target) for one in page] == sorted(
        marked
    )
    for target in (f"/v1/accounts/{payee}", f"/v1/accounts/{payee}/entries"):
        assert (await town.send(wallet, "GET", target)).problem == "not-found"
        assert (await town.send(merchant, "GET", target)).status == 200


async def test_an_account_shows_its_limits_and_what_is_left(
    town: Town, wallet: Member, payee: str
) -> None:
    """Balance, held, available, floor, tier, and what may still be spent today."""
    name = f"tier-{uuid4().hex[:8]}"
    await town.operator.set_tier(
        name, currency="CNY", payment_limit=500, daily_limit=800, yearly_limit=900, choosable=True
    )
    account = await town.account(wallet, "wallet", balance=1_000, tier=name)
    await town.pay(wallet, account, payee, 300)
    shown = (await town.send(wallet, "GET", f"/v1/accounts/{account}")).json
    assert shown["limits"] == {
        "payment_limit": 500, "daily_limit": 800, "daily_left": 500, "yearly_limit": 900,
        "yearly_left": 600, "balance_limit": None,
    }  # fmt: skip
    assert (shown["balance"], shown["available"], shown["held"]) == (700, 700, 0)
    assert (shown["status"], shown["frozen_by"], shown["tier"]) == ("open", None, name)
    assert shown["participant"] == wallet.id


@pytest.mark.parametrize(
    "target",
    [
        "/v1/accounts/{}",
        "/v1/accounts/{}/entries",
        "/v1/payments/{}",
    ],
)
@pytest.mark.parametrize("text", ["1", "%00", "..", "0" * 32, "g" * 36, NOBODY, "%2e%2e"])
async def test_an_id_that_is_nobodys_is_not_found(
    town: Town, wallet: Member, target: str, text: str
) -> None:
    """No id at all and somebody's id look alike: signed, 404."""
    reply = await town.send(wallet, "GET", target.format(text))
    assert (reply.status, reply.problem, reply.is_signed) == (404, "not-found", True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limt=1", "limt"),
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A1", "limit"),
        (f"limit={limits.PAGE_SIZE_MAX + 1}", "limit"),
        ("limit=1&limit=1", "limit"),
        ("after=1", "after"),
        ("after=", "after"),
        ("reference=", "reference"),
        ("reference=%00", "reference"),
        ("reference=" + "x" * 65, "reference"),
        ("account=x", "account"),
        ("from=yesterday", "from"),
        ("from=2026-11-01", "from"),
        ("to=2026-11-01T08:00:00", "to"),
        ("to=0001-01-01T00:00:00Z", "to"),
        ("to=9999-12-31T23:59:59-23:59", "to"),
        ("idempotency_key=", "idempotency_key"),
        ("idempotency_key=" + "x" * 65, "idempotency_key"),
        ("idempotency_key=k&limit=1", "limit"),
        ("%ff=1", None),
        ("reference=%ff", None),
        ("reference", None),
        ("&", None),
        ("&".join(f"x{number}=1" for number in range(100)), None),
    ],
)
async def test_a_query_is_strict(town: Town, wallet: Member, query: str, field: str | None) -> None:
    """A parameter that is unknown, given twice or malformed is refused with its name."""
    reply = await town.send(wallet, "GET", f"/v1/payments?{query}")
    assert (reply.status, reply.problem, reply.is_signed) == (400, "malformed-message", True)
    assert reply.json.get("field") == field


@pytest.mark.parametrize("after", ["1", "0.1", "1.", "1.1.1", "-1.0", "1e3.0", "9" * 40 + ".1"])
async def test_a_statements_cursor_is_one_that_was_given(
    town: Town, wallet: Member, payer: str, after: str
) -> None:
    """Anything that is no place in a statement is refused by name."""
    reply = await town.send(wallet, "GET", f"/v1/accounts/{payer}/entries?after={after}")
    assert (reply.status, reply.json["field"]) == (400, "after")


async def test_an_id_takes_no_parameters(town: Town, wallet: Member, payer: str) -> None:
    """One thing is shown whole; a parameter that would do nothing is refused."""
    for target in (f"/v1/accounts/{payer}?x=1", f"/v1/payments/{payer}?x=1"):
        assert (await town.send(wallet, "GET", target)).json["field"] == "x"


async def test_a_look_up_with_a_body(town: Town, wallet: Member) -> None:
    """A body on a GET is signed and bounded like any other, and means nothing."""
    reply = await town.send(wallet, "GET", "/v1/accounts", content=payment("a", "b", 1))
    assert reply.status == 200
