"""Mandates over HTTP: given, used within bounds, revoked; each message answered once a key."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from switch.errors import SwitchError
from switch.mandate import untimely
from switch.services.mandates import desk
from tests.integration.town import Member, Reply, Town, eventually
from tests.services.mandates.scene import Scene

TOO_LONG_DAYS = 1828


def assert_repeated(reply: Reply, body: bytes) -> None:
    """The stored answer, byte for byte."""
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["Idempotent-Replayed"] == "true"
    assert reply.is_signed


async def test_a_mandate_is_given_and_used(scene: Scene) -> None:
    """The shop takes without asking; both sides see what was taken, nothing else is told."""
    first = await scene.give(purpose="Membership 17", monthly_limit=5000, uses_max=9)
    assert (first.status, first.is_signed) == (201, True)
    given = first.json
    assert (given["participant"], given["currency"]) == (scene.wallet.id, "CNY")
    assert (given["payer"], given["payee"]) == (scene.payer, scene.payee)
    assert (given["purpose"], given["status"]) == ("Membership 17", "active")
    assert (given["payment_limit"], given["daily_limit"]) == (1000, None)
    assert (given["monthly_limit"], given["uses_max"]) == (5000, 9)
    assert given["not_before"] == given["created_at"]
    assert await scene.shown(given["id"]) == given
    paid = await scene.take(given["id"], 700)
    assert (paid["status"], paid["payer"], paid["mandate"]) == (
        "completed",
        scene.payer,
        given["id"],
    )
    used = given | {"uses": 1, "spent_today": 700, "spent_this_month": 700}
    assert await scene.shown(given["id"]) == used
    assert await scene.shown(given["id"], scene.merchant) == used
    assert await scene.town.balance(scene.wallet, scene.payer) == (9_300, 0)
    assert await scene.town.balance(scene.merchant, scene.payee) == (700, 0)


async def test_giving_is_answered_once_a_key(scene: Scene) -> None:
    """The same bytes after uses and after the revocation; anything else under the key is 422."""
    asked = scene.asked()
    first = await scene.give(key="g", **asked)
    mandate = first.json["id"]
    assert_repeated(await scene.give(key="g", **asked), first.body)
    await scene.take(mandate, 1)
    await scene.revoke(mandate)
    assert_repeated(await scene.give(key="g", **asked), first.body)
    for other in (
        await scene.give(key="g", **asked | {"payment_limit": 2}),
        await scene.revoke(mandate, key="g"),
        await scene.town.pay(scene.wallet, scene.payer, scene.payee, 1, key="g"),
    ):
        assert (other.status, other.problem) == (422, "idempotency-key-reused")


async def test_giving_twice_at_once_gives_one(scene: Scene) -> None:
    """Ten times the same message at once: one mandate."""
    asked = scene.asked()
    replies = await asyncio.gather(*(scene.give(key="many", **asked) for _ in range(10)))
    assert sorted(reply.status for reply in replies) == [200] * 9 + [201]
    assert len({reply.body for reply in replies}) == 1


@pytest.mark.parametrize(
    ("bounds", "amounts", "reasons"),
    [
        ({"payment_limit": 50}, (51, 50), ("mandate_limit_exceeded", None)),
        ({"daily_limit": 90}, (50, 41, 40), (None, "mandate_limit_exceeded", None)),
        ({"monthly_limit": 90}, (50, 41, 40), (None, "mandate_limit_exceeded", None)),
        ({"uses_max": 2}, (1, 2000, 1, 1), (None, "mandate_limit_exceeded", None, "mandate_used")),
        ({"not_before": 1}, (1,), ("mandate_ended",)),
    ],
    ids=["payment", "day", "month", "uses", "not yet valid"],
)
async def test_a_mandate_has_bounds(
    scene: Scene,
    bounds: dict[str, Any],
    amounts: tuple[int, ...],
    reasons: tuple[str | None, ...],
) -> None:
    """What is beyond them is declined and counts for nothing."""
    mandate = await scene.given(**bounds)
    decided = [(await scene.take(mandate, amount))["reason"] for amount in amounts]
    assert decided == list(reasons)
    taken = [amount for amount, reason in zip(amounts, reasons, strict=True) if reason is None]
    shown = await scene.shown(mandate)
    assert (shown["uses"], shown["spent_today"]) == (len(taken), sum(taken))
    status = {"uses_max": "ended", "not_before": "not_yet_valid"}.get(next(iter(bounds)), "active")
    assert shown["status"] == status


async def test_a_mandate_that_is_given_ahead_says_so(scene: Scene) -> None:
    """Its answer, and every repeat, says that it is not valid yet."""
    asked = scene.asked(not_before=1)
    first = await scene.give(key="ahead", **asked)
    assert (first.status, first.json["status"]) == (201, "not_yet_valid")
    assert_repeated(await scene.give(key="ahead", **asked), first.body)


async def test_a_revoked_mandate_is_worth_nothing(scene: Scene) -> None:
    """From the answer on everything is declined; the answer stays the same for ever."""
    mandate = await scene.given()
    await scene.take(mandate, 5)
    first = await scene.revoke(mandate, key="r")
    assert (first.status, first.is_signed) == (201, True)
    revoked = first.json
    assert (revoked["status"], revoked["uses"]) == ("revoked", 1)
    assert (revoked["spent_today"], revoked["spent_this_month"]) == (None, None)
    declined = await scene.take(mandate, 5)
    assert (declined["status"], declined["reason"]) == ("declined", "mandate_ended")
    assert declined["created_at"] >= revoked["revoked_at"]
    assert_repeated(await scene.revoke(mandate, key="r"), first.body)
    assert_repeated(await scene.revoke(mandate, key="r", body=b"{}"), first.body)
    again = await scene.revoke(mandate, key="again")
    assert (again.status, again.body) == (201, first.body), "it was revoked when it was revoked"
    shown = await scene.shown(mandate)
    assert shown == revoked | {"spent_today": 5, "spent_this_month": 5}


async def test_what_is_the_others_to_revoke_is_not_there(scene: Scene) -> None:
    """The shop sees the mandate and cannot end it; a stranger sees nothing."""
    mandate = await scene.given()
    stranger = await scene.town.member("wallet")
    for sender in (scene.merchant, stranger):
        reply = await scene.revoke(mandate, sender=sender, key="x")
        assert (reply.status, reply.problem) == (404, "not-found")
    for target in (f"/v1/mandates/{mandate}", f"/v1/mandates/{uuid4()}", "/v1/mandates/no-id"):
        reply = await scene.town.send(stranger, "GET", target)
        assert (reply.status, reply.problem) == (404, "not-found")
    listed = await scene.town.send(stranger, "GET", f"/v1/mandates?account={scene.payer}")
    assert listed.json["data"] == []
    assert (await scene.revoke("no-id")).status == 404
    assert (await scene.shown(mandate))["status"] == "active"


async def test_a_mandate_is_for_its_payee_alone(scene: Scene) -> None:
    """Another shop that knows the id takes nothing, and learns nothing."""
    mandate = await scene.given()
    other = await scene.town.member("merchant")
    account = await scene.town.account(other, "merchant")
    content = {"type": "purchase", "mandate": mandate, "payee": account, "amount": 1}
    for sent in (content, content | {"mandate": str(uuid4())}):
        reply = await scene.town.send(
            other, "POST", "/v1/payments", content=sent | {"currency": "CNY"}, key=uuid4().hex
        )
        assert (reply.json["reason"], reply.json["payer"]) == ("mandate_not_found", None)


async def test_whose_account_it_is_gives_the_mandate(scene: Scene) -> None:
    """Nobody else's account can be given away, and no key is spent on trying."""
    asked = scene.asked()
    for payer in (scene.payee, str(uuid4())):
        reply = await scene.give(key="k", **asked | {"payer": payer})
        assert (reply.status, reply.problem) == (404, "not-found")
    dollars = await scene.town.account(scene.merchant, "merchant", currency="USD")
    for payee in (scene.payer, str(uuid4()), dollars):
        reply = await scene.give(key="k", **asked | {"payee": payee})
        assert (reply.status, reply.json["field"]) == (400, "payee")
    assert (await scene.give(key="k", **asked)).status == 201


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"payment_limit": None}, "payment_limit"),
        ({"payment_limit": 0}, "payment_limit"),
        ({"daily_limit": 1.5}, "daily_limit"),
        ({"monthly_limit": 10**15 + 1}, "monthly_limit"),
        ({"uses_max": 0}, "uses_max"),
        ({"uses_max": 1_000_001}, "uses_max"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "x" * 65}, "purpose"),
        ({"purpose": "a\nb"}, "purpose"),
        ({"not_after": None}, "not_after"),
        ({"not_after": "2027-01-01T00:00:00"}, "not_after"),
        ({"not_after": "9999-12-31T23:59:59Z"}, "not_after"),
        ({"not_after": -1}, "not_after"),
        ({"not_after": TOO_LONG_DAYS}, "not_after"),
        ({"not_before": 31}, "not_after"),
        ({"not_before": -2, "not_after": -1}, "not_after"),
        ({"not_before": 1, "not_after": TOO_LONG_DAYS + 1}, "not_after"),
        ({"payer": "no-id"}, "payer"),
        ({"amount": 1}, "amount"),
    ],
    ids=str,
)
async def test_a_malformed_mandate_is_not_given(
    scene: Scene, more: dict[str, Any], field: str
) -> None:
    """A signed 400 names the field; no key is spent."""
    reply = await scene.give(key="m", **more)
    assert (reply.status, reply.problem, reply.is_signed) == (400, "malformed-message", True)
    assert reply.json["field"] == field
    assert (await scene.give(key="m")).status == 201


async def test_mandates_are_listed_by_account(scene: Scene) -> None:
    """Both sides page through those of an account of theirs, in the order they were given."""
    given = [await scene.given() for _ in range(3)]
    for reader, account in ((scene.wallet, scene.payer), (scene.merchant, scene.payee)):
        target = f"/v1/mandates?account={account}&limit=2"
        first = (await scene.town.send(reader, "GET", target)).json
        assert ([one["id"] for one in first["data"]], first["has_more"]) == (given[:2], True)
        assert {one["participant"] for one in first["data"]} == {scene.wallet.id}
        rest = await scene.town.send(reader, "GET", f"{target}&after={first['next_after']}")
        assert [one["id"] for one in rest.json["data"]] == given[2:]
        assert (rest.json["has_more"], rest.json["next_after"]) == (False, None)
    for query, field in (("", "account"), ("?account=x", "account"), ("?payer=x", "payer")):
        refused = await scene.town.send(scene.wallet, "GET", f"/v1/mandates{query}")
        assert (refused.status, refused.json["field"]) == (400, field)


async def test_the_body_of_a_revocation_is_empty(scene: Scene) -> None:
    """Anything but nothing or an empty object is refused, and nothing is revoked."""
    mandate = await scene.given()
    for body in (b'{"why":"lost"}', b"x", b"[]"):
        assert (await scene.revoke(mandate, body=body)).status == 400
    assert (await scene.shown(mandate))["status"] == "active"


async def test_the_bar_of_a_key_spent_on_a_mandate_is_its_answer(scene: Scene) -> None:
    """Of giving and of revoking, after all that happened since; a look-up says it is no payment."""
    given = await scene.give(key="give")
    mandate = given.json["id"]
    assert_repeated(await scene.town.bar(scene.wallet, "give"), given.body)
    await scene.take(mandate, 3)
    revoked = await scene.revoke(mandate, key="revoke", body=b"{ }")
    assert_repeated(await scene.town.bar(scene.wallet, "revoke"), revoked.body)
    assert_repeated(await scene.town.bar(scene.wallet, "give"), given.body)
    for key in ("give", "revoke"):
        found = await scene.town.send(scene.wallet, "GET", f"/v1/payments?idempotency_key={key}")
        assert (found.status, found.problem) == (404, "not-found")
        assert "spent on another operation" in found.json["detail"]


async def test_under_a_barred_key_no_mandate_is_given_or_revoked(scene: Scene) -> None:
    """The stored refusal, for both."""
    mandate = await scene.given()
    barred = await scene.town.bar(scene.wallet, "k")
    assert_repeated(await scene.give(key="k"), barred.body)
    assert_repeated(await scene.revoke(mandate, key="k"), barred.body)
    assert (await scene.shown(mandate))["status"] == "active"


async def test_a_suspended_participant_repeats_and_begins_nothing(town: Town, scene: Scene) -> None:
    """403 for a new mandate or revocation; what was answered is answered again."""
    asked = scene.asked()
    first = await scene.give(key="before", **asked)
    await town.operator.set_participant_status(scene.wallet.id, status="suspended")
    refused = await eventually(lambda: scene.give(), 403)
    assert refused.problem == "participant-suspended"
    assert (await scene.revoke(first.json["id"])).status == 403
    assert_repeated(await scene.give(key="before", **asked), first.body)
    assert await scene.shown(first.json["id"]) == first.json


async def test_the_operator_is_told_that_there_is_nothing_to_follow(
    town: Town, scene: Scene
) -> None:
    """A key that was spent on a mandate leads to no payment."""
    key = uuid4().hex
    await scene.give(key=key)
    with pytest.raises(SwitchError, match="something other than a payment"):
        await town.operator.find_payment(key)


def clock_is_ahead(monkeypatch: pytest.MonkeyPatch, *, days: int) -> None:
    """Let the worker's clock be so many days ahead where mandates are given, or behind."""
    ahead = timedelta(days=days)
    monkeypatch.setattr(desk, "untimely", lambda asked, now: untimely(asked, now + ahead))


async def test_a_repeat_is_answered_when_its_mandate_is_long_over(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would come too late for a new mandate gets the stored answer."""
    asked = scene.asked()
    first = await scene.give(key="old", **asked)
    clock_is_ahead(monkeypatch, days=60)
    assert_repeated(await scene.give(key="old", **asked), first.body)
    assert (await scene.give(key="new", **asked)).json["field"] == "not_after"


async def test_the_ledgers_clock_decides_whether_a_mandate_is_over(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose clock is behind gives none that is over by the ledger's; no key is spent."""
    clock_is_ahead(monkeypatch, days=-3)
    late = await scene.give(key="late", not_after=-1)
    assert (late.status, late.problem, late.json["field"]) == (
        400,
        "malformed-message",
        "not_after",
    )
    assert (await scene.give(key="late")).status == 201


async def test_books_are_right_after_all_of_it(town: Town, wallet: Member) -> None:
    """Mandates count what was taken by them."""
    assert await town.operator.check_books() == []
