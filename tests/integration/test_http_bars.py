"""Barring keys over HTTP, at two workers in turn: never decided, or the decision that there is."""

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.town import Member, Reply, eventually, payment
from tests.integration.two_workers import TwoWorkers

SPENT = ("payment", "declined", "hold", "step", "declined step", "account", "freeze", "bar")


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers, asked in turn."""
    return two_workers


def assert_repeated(reply: Reply, body: bytes) -> None:
    """The stored answer, byte for byte."""
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["Idempotent-Replayed"] == "true"
    assert reply.is_signed


async def test_a_free_key_is_barred(town: TwoWorkers, wallet: Member) -> None:
    """201, declined, `barred`; what a request would have said is null; from then on the same."""
    first = await town.bar(wallet, "never")
    assert first.status == 201
    assert "Idempotent-Replayed" not in first.headers
    barred = first.json
    assert (barred["status"], barred["reason"]) == ("declined", "barred")
    assert (barred["idempotency_key"], barred["participant"]) == ("never", wallet.id)
    assert barred["request_digest"].startswith("sha-256=:")
    asked = (*payment("", "", 1), "capture", "hold_seconds", "reference", "metadata", "expires_at")
    assert {barred[name] for name in asked} == {None}
    for _ in range(2):
        assert_repeated(await town.bar(wallet, "never"), first.body)
    found = await town.send(wallet, "GET", "/v1/payments?idempotency_key=never")
    assert (found.status, found.body) == (200, first.body)
    found = await town.send(wallet, "GET", f"/v1/payments/{barred['id']}")
    assert (found.status, found.body) == (200, first.body)


async def test_whatever_comes_under_a_barred_key_is_told_so(
    town: TwoWorkers, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """Every POST with it gets the stored answer, and nothing happens."""
    paid = (await town.pay(wallet, payer, payee, 5)).json
    for holder in (wallet, merchant):
        first = await town.bar(holder, "k")
        own, kind = (payer, "wallet") if holder is wallet else (payee, "merchant")
        for target, content in (
            ("/v1/payments", payment(payer, payee, 1)),
            ("/v1/payments", payment(payer, payee, 1, type="purchase", capture=False)),
            ("/v1/accounts", {"currency": "CNY", "kind": kind}),
            (f"/v1/accounts/{own}/freeze", None),
            (f"/v1/payments/{paid['id']}/capture", {"final": True}),
            (f"/v1/payments/{paid['id']}/void", None),
            (f"/v1/payments/{paid['id']}/refund", {"amount": 1}),
            (f"/v1/payments/{uuid4()}/refund", None),
        ):
            for _ in range(2):
                reply = await town.send(holder, "POST", target, content=content, key="k")
                assert_repeated(reply, first.body)
    assert (await town.shown(wallet, paid["id"]))["status"] == "completed"
    assert await town.balance(wallet, payer) == (9_995, 0)
    assert (await town.send(wallet, "GET", "/v1/accounts")).json["data"][1:] == []


async def spend(
    what: str, town: TwoWorkers, holder: Member, account: str, other: str, key: str
) -> Reply:
    """Spend a key on something."""
    content: dict[str, Any] | None
    if what in {"payment", "declined", "hold"}:
        amount = 10**9 if what == "declined" else 1
        content = payment(account, other, amount, capture=what != "hold", metadata={"z": "1"})
        return await town.send(holder, "POST", "/v1/payments", content=content, key=key)
    if what in {"step", "declined step"}:
        held = (await town.pay(holder, account, other, 9, capture=False)).json
        content = {"amount": 4 if what == "step" else 10}
        return await town.step(holder, held["id"], "capture", content, key=key)
    if what == "bar":
        return await town.bar(holder, key)
    content = {"currency": "CNY", "kind": "wallet", "reference": "r"} if what == "account" else None
    target = "/v1/accounts" if what == "account" else f"/v1/accounts/{account}/freeze"
    return await town.send(holder, "POST", target, content=content, key=key)


@pytest.mark.parametrize("what", SPENT)
async def test_the_bar_of_a_decided_key_is_its_decision(
    town: TwoWorkers, wallet: Member, payer: str, what: str
) -> None:
    """200 and the very bytes of the first answer, whatever the key was spent on and since."""
    theirs = await town.account(await town.member("wallet"), "wallet")
    first = await spend(what, town, wallet, payer, theirs, "k")
    assert first.status == 201, first.body
    assert_repeated(await town.bar(wallet, "k"), first.body)
    if what in {"payment", "hold"}:  # what became of it since changes nothing
        kind = "void" if what == "hold" else "refund"
        await town.step(wallet, first.json["id"], kind)
    if what in {"account", "freeze"}:
        account = first.json["id"] if what == "account" else payer
        change = "close" if what == "account" else "unfreeze"
        await town.send(wallet, "POST", f"/v1/accounts/{account}/{change}", key=uuid4().hex)
    assert_repeated(await town.bar(wallet, "k"), first.body)


async def test_a_key_is_barred_for_its_own_participant_only(
    town: TwoWorkers, wallet: Member, merchant: Member, payer: str, payee: str
) -> None:
    """The same key of somebody else is another key."""
    await town.bar(merchant, "ours")
    assert (await town.pay(wallet, payer, payee, 1, key="ours")).status == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"idempotency_key":"other"}', "idempotency_key"),
        (b'{"idempotency_key":"\\"k\\""}', "idempotency_key"),
        (b'{"idempotency_key":""}', "idempotency_key"),
        (b'{"idempotency_key":1}', "idempotency_key"),
        (b'{"idempotency_key":null}', "idempotency_key"),
        (b'{"idempotency_key":"two words"}', "idempotency_key"),
        (b'{"idempotency_key":"' + b"x" * 65 + b'"}', "idempotency_key"),
        (b'{"idempotency_key":"k","idempotency_key":"k"}', "idempotency_key"),
        (b'{"idempotency_key":"k","payment":"p"}', "payment"),
        (b"{}", "idempotency_key"),
        (b"", None),
        (b"[]", None),
    ],
)
async def test_a_malformed_bar_bars_nothing(
    town: TwoWorkers, wallet: Member, payer: str, payee: str, body: bytes, field: str | None
) -> None:
    """A signed 400 names the field, and the key can still be decided."""
    reply = await town.send(wallet, "POST", "/v1/payments/bar", body=body, key="k")
    assert (reply.status, reply.problem, reply.is_signed) == (400, "malformed-message", True)
    assert reply.json.get("field") == field
    assert (await town.pay(wallet, payer, payee, 1, key="k")).json["status"] == "completed"


async def test_a_key_in_quotes_is_the_same_key(town: TwoWorkers, wallet: Member) -> None:
    """The field's quotes are the field's; the body names the key without them."""
    content = {"idempotency_key": 'a"b\\c:d'}
    reply = await town.send(wallet, "POST", "/v1/payments/bar", content=content, key='a"b\\c:d')
    assert reply.status == 201
    assert reply.json["idempotency_key"] == 'a"b\\c:d'


async def test_a_suspended_participant_bars(
    town: TwoWorkers, wallet: Member, payer: str, payee: str
) -> None:
    """Suspended, one may still make sure that what is under way is never decided."""
    await town.operator.set_participant_status(wallet.id, status="suspended")
    for number in (0, 1):
        door = town.at(number)

        async def new(door: TwoWorkers = door) -> Reply:
            return await door.pay(wallet, payer, payee, 1)

        await eventually(new, 403)
        barred = await door.bar(wallet, f"k-{number}")
        assert barred.status == 201
        assert_repeated(await door.bar(wallet, f"k-{number}"), barred.body)
        repeat = await door.pay(wallet, payer, payee, 1, key=f"k-{number}")
        assert_repeated(repeat, barred.body)


async def test_a_bar_whose_answer_cannot_be_read_is_unknown(
    town: TwoWorkers, wallet: Member, payer: str, payee: str
) -> None:
    """Once the key may be barred, "not decided" is never answered; asked again, it is told."""
    connection = await town.database.connect()
    async with connection.transaction():  # nobody can read what was decided meanwhile
        await connection.execute("LOCK ledger.payment_type IN ACCESS EXCLUSIVE MODE")
        reply = await town.bar(wallet, "k")
    await connection.close()
    assert (reply.status, reply.problem, reply.is_signed) == (504, "outcome-unknown", True)
    settled = await town.bar(wallet, "k")
    assert settled.json["reason"] == "barred"
    assert_repeated(settled, settled.body)
    assert_repeated(await town.pay(wallet, payer, payee, 1, key="k"), settled.body)


async def test_no_account_was_left_wrong(town: TwoWorkers) -> None:
    """After all of the above the books are right."""
    assert await town.operator.check_books() == []
