"""Stays over HTTP: held at the gate, captured at the exit, once, whatever happens between."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.services.parking.garage import HOLD, UNIT, Garage, ago

BALANCE = 10_000


async def opened(garage: Garage, entered_hours_ago: float = 1.0, **site: Any) -> str:
    """A stay that has begun."""
    made = await garage.made("/v1/parking-sites", garage.site(**site))
    reply = await garage.enter(made, await garage.mandate(), ago(hours=entered_hours_ago))
    assert (reply.status, reply.json["status"]) == (201, "open"), reply.body
    return str(reply.json["id"])


async def test_a_stay_is_held_and_captured(garage: Garage) -> None:
    """The rest of the hold is free again; both sides see the payment."""
    stay = await opened(garage)
    assert await garage.balances() == ((BALANCE, HOLD), (0, 0))
    reply = await garage.leave(stay, ago())
    assert (reply.status, reply.json["status"]) == (201, "left")
    assert (reply.json["fee"], reply.json["paid"], reply.json["owed"]) == (3 * UNIT, 3 * UNIT, 0)
    assert await garage.balances() == ((BALANCE - 300, 0), (300, 0))
    shown = await garage.shown(stay)
    assert shown["stay"] == reply.json
    paid = await garage.town.shown(garage.wallet, shown["holds"][0])
    assert (paid["status"], paid["amount_captured"]) == ("captured", 300)
    assert await garage.town.operator.check_books() == []


async def test_everything_is_answered_once_a_key(garage: Garage) -> None:
    """The same bytes to a repeat, also after the exit."""
    content = garage.site()
    site = await garage.post("/v1/parking-sites", content, key="s")
    again = await garage.post("/v1/parking-sites", content, key="s")
    assert (again.status, again.body) == (200, site.body)
    shown = await garage.town.send(garage.wallet, "GET", f"/v1/parking-sites/{site.json['id']}")
    assert shown.json == site.json
    mandate, entered_at, left_at = await garage.mandate(), ago(hours=1), ago()
    first = await garage.enter(site.json["id"], mandate, entered_at, key="e")
    stay = first.json["id"]
    ended = await garage.leave(stay, left_at, key="x")
    again = await garage.enter(site.json["id"], mandate, entered_at, key="e")
    assert (again.status, again.body) == (200, first.body)
    again = await garage.leave(stay, left_at, key="x")
    assert (again.status, again.body) == (200, ended.body)
    other = await garage.leave(stay, left_at + timedelta(seconds=1), key="x")
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    late = await garage.leave(stay, left_at)
    assert (late.status, "not open" in late.json["detail"]) == (400, True)
    assert (await garage.balances())[1] == (300, 0)


async def test_a_free_stay_costs_nothing(garage: Garage) -> None:
    """What was held is voided."""
    stay = await opened(garage, entered_hours_ago=0.1)
    reply = await garage.leave(stay, ago())
    assert (reply.json["fee"], reply.json["paid"], reply.json["owed"]) == (0, 0, 0)
    assert await garage.balances() == ((BALANCE, 0), (0, 0))


async def test_what_was_not_held_is_taken_by_the_mandate(garage: Garage) -> None:
    """A stay that became dearer than what was held for it."""
    stay = await opened(garage, entered_hours_ago=10)
    reply = await garage.leave(stay, ago())
    assert (reply.json["fee"], reply.json["owed"]) == (21 * UNIT, 0)
    assert await garage.balances() == ((BALANCE - 2100, 0), (2100, 0))
    assert await garage.town.operator.check_books() == []


async def test_what_cannot_be_taken_is_owed(garage: Garage) -> None:
    """The hold is captured all the same."""
    made = await garage.made("/v1/parking-sites", garage.site())
    mandate = await garage.mandate(payment_limit=HOLD)
    reply = await garage.enter(made, mandate, ago(hours=10))
    reply = await garage.leave(reply.json["id"], ago())
    assert (reply.json["fee"], reply.json["paid"], reply.json["owed"]) == (2100, HOLD, 1100)
    assert await garage.balances() == ((BALANCE - HOLD, 0), (HOLD, 0))


async def test_a_gate_stays_shut_without_money_or_mandate(garage: Garage) -> None:
    """The stay says why; nothing is held."""
    made = await garage.made("/v1/parking-sites", garage.site(hold_amount=20_000))
    mandate = await garage.mandate(payment_limit=50_000)
    reply = await garage.enter(made, mandate, ago())
    assert (reply.status, reply.json["status"]) == (201, "declined")
    assert reply.json["reason"] == "insufficient_funds"
    assert (await garage.leave(reply.json["id"], ago())).status == 400
    made = await garage.made("/v1/parking-sites", garage.site())
    reply = await garage.enter(made, str(uuid4()), ago())
    assert reply.json["reason"] == "mandate_not_found"
    await garage.revoke(mandate)
    assert (await garage.enter(made, mandate, ago())).json["reason"] == "mandate_ended"
    assert await garage.balances() == ((BALANCE, 0), (0, 0))


async def test_who_stays_longer_is_held_for_again(garage: Garage) -> None:
    """Before a hold ends the next is made; both are captured, as far as the fee goes."""
    stay = await opened(garage, entered_hours_ago=7)
    assert await garage.hold_on(60) == 0, "the hold lasts an hour yet"
    assert await garage.hold_on(3601, holds_max=2) >= 1
    assert (await garage.balances())[0] == (BALANCE, 2 * HOLD)
    assert len((await garage.shown(stay))["holds"]) == 2
    reply = await garage.leave(stay, ago())
    assert (reply.json["fee"], reply.json["owed"]) == (1500, 0)
    assert await garage.balances() == ((BALANCE - 1500, 0), (1500, 0))
    assert await garage.hold_on(10**7) == 0, "nothing is held for who has left"
    assert await garage.town.operator.check_books() == []


async def test_a_hold_that_is_gone_is_made_up_for(garage: Garage) -> None:
    """Expired after a lost exit, or voided: the fee is taken by the mandate."""
    stay = await opened(garage, entered_hours_ago=2)
    (hold,) = (await garage.shown(stay))["holds"]
    assert (await garage.town.step(garage.operator, hold, "void")).json["status"] == "completed"
    reply = await garage.leave(stay, ago())
    assert (reply.json["fee"], reply.json["owed"]) == (500, 0)
    assert await garage.balances() == ((BALANCE - 500, 0), (500, 0))
    assert await garage.town.operator.check_books() == []


async def test_what_the_operator_captured_itself_is_paid(garage: Garage) -> None:
    """An exit after that takes what is missing, and what was given back is missing again."""
    for captured, refunded in ((300, 0), (100, 0), (1000, 0), (300, 200)):
        before = (await garage.balances())[0][0]
        stay = await opened(garage)
        (hold,) = (await garage.shown(stay))["holds"]
        await garage.town.step(garage.operator, hold, "capture", {"amount": captured})
        if refunded:
            await garage.town.step(garage.operator, hold, "refund", {"amount": refunded})
        reply = await garage.leave(stay, ago())
        assert (reply.json["fee"], reply.json["paid"], reply.json["owed"]) == (300, 300, 0)
        assert before - (await garage.balances())[0][0] == max(300, captured)
    assert (await garage.balances())[0][1] == 0, "nothing stays held"
    assert await garage.town.operator.check_books() == []


async def test_a_key_that_the_operator_spent_stops_nobody_else(garage: Garage) -> None:
    """Its own stay goes on without another hold; the next one's is made."""
    first, second = await opened(garage), await opened(garage)
    await garage.town.bar(garage.operator, f"parking:{first}:hold:2")
    assert await garage.hold_on(3601, holds_max=2) >= 1
    assert len((await garage.shown(first))["holds"]) == 1
    assert len((await garage.shown(second))["holds"]) == 2
    for stay in (first, second):
        assert (await garage.leave(stay, ago())).json["owed"] == 0


async def test_nothing_more_is_held_for_a_suspended_operator(garage: Garage) -> None:
    """Until it may again."""
    stay = await opened(garage)
    operator = garage.town.operator
    await operator.set_participant_status(garage.operator.id, status="suspended")
    await garage.hold_on(3601, holds_max=2)
    await operator.set_participant_status(garage.operator.id, status="active")
    assert len((await garage.shown(stay))["holds"]) == 1
    await garage.hold_on(3601, holds_max=2)
    assert len((await garage.shown(stay))["holds"]) == 2


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"unit_minutes": 0}, "unit_minutes"),
        ({"unit_price": 0}, "unit_price"),
        ({"unit_price": 10**15, "unit_minutes": 1}, "unit_price"),
        ({"currency": "CNX"}, "currency"),
        ({"hold_seconds": 60}, "hold_seconds"),
        ({"day_max": 0}, "day_max"),
        ({"name": ""}, "name"),
        ({"free_minutes": -1}, "free_minutes"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
async def test_a_site_that_breaks_a_rule(garage: Garage, more: dict[str, Any], field: str) -> None:
    """Says which field."""
    reply = await garage.post("/v1/parking-sites", garage.site(**more))
    assert (reply.status, reply.json["field"]) == (400, field)


async def test_times_that_cannot_be(garage: Garage) -> None:
    """Still to come, before the entry, or a year later."""
    made = await garage.made("/v1/parking-sites", garage.site())
    mandate = await garage.mandate()
    reply = await garage.enter(made, mandate, ago(hours=-1))
    assert (reply.status, reply.json["field"]) == (400, "entered_at")
    reply = await garage.enter(made, mandate, ago(days=366))
    assert (reply.status, reply.json["field"]) == (400, "entered_at")
    stay = await opened(garage, entered_hours_ago=24 * 364)
    for left_at in (ago(hours=-1), ago(days=400)):
        reply = await garage.leave(stay, left_at)
        assert (reply.status, reply.json["field"]) == (400, "left_at")
    assert (await garage.shown(stay))["stay"]["status"] == "open"


async def test_it_is_nobody_elses(garage: Garage) -> None:
    """Only who runs the site begins, ends and sees its stays."""
    stay = await opened(garage)
    site = (await garage.shown(stay))["stay"]["site"]
    stranger = await garage.town.member("merchant")
    content = {"site": site, "mandate": str(uuid4()), "entered_at": "2026-01-01T00:00:00Z"}
    for path, body in (
        ("/v1/parking-stays", content),
        (f"/v1/parking-stays/{stay}/exit", {"left_at": "2026-01-01T00:00:00Z"}),
        ("/v1/parking-sites", garage.site()),
    ):
        reply = await garage.post(path, body, sender=stranger)
        assert (reply.status, reply.problem) == (404, "not-found"), path
    reply = await garage.town.send(stranger, "GET", f"/v1/parking-stays/{stay}")
    assert reply.status == 404


async def test_two_exits_at_once_capture_once(garage: Garage) -> None:
    """One ends it, the others find it ended."""
    for _ in range(5):
        stay = await opened(garage)
        left_at = ago()
        replies = await asyncio.gather(*(garage.leave(stay, left_at) for _ in range(4)))
        assert sorted(reply.status for reply in replies) == [201, 400, 400, 400]
    assert (await garage.balances())[1] == (5 * 300, 0)
    assert await garage.town.operator.check_books() == []
