"""Networks, gates, tokens and taps over HTTP: what is taken, and what is refused and why."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from switch import jws, keyfile
from switch.clock import rfc3339
from switch.keyfile import base64url
from switch.services.transit import limits, tap
from switch.signature import signing_key
from tests.services.transit.metro import FARES, ZONE, Metro, Rider, a_tuesday_ago, at

AGO = a_tuesday_ago()


def reasons(told: Any) -> list[str]:
    """Of each tap what became of it, and why."""
    return [one["reason"] or one["status"] for one in told["taps"]]


async def test_a_day_of_rides_is_paid_once(metro: Metro) -> None:
    """There and back by metro, the bus between: one payment by the mandate, seen by both sides."""
    rider = await metro.rider()
    taps = [
        *metro.ride(rider, at(AGO, 8), "harbour", "airport"),
        metro.tap(rider, at(AGO, 8, 30), "airport", "board"),
        *metro.ride(rider, at(AGO, 17), "airport", "market"),
    ]
    assert reasons(await metro.upload(taps)) == ["taken"] * 5
    await metro.settle()
    assert await metro.balances() == ((10_000 - 1_200, 0), (1_200, 0)), "600 + 75 + 600, capped"
    week = await metro.week(rider, at(AGO, 12).date())
    assert [ride["price"] for ride in week["days"][0]["rides"]] == [600, 75, 600]
    assert (week["days"][0]["fare"], week["fares"], week["paid"]) == (1200, 1200, 1200)
    standing = await metro.standing(rider)
    assert (standing["due"], standing["paid"], standing["owed"]) == (1200, 1200, 0)
    assert await metro.shown(f"/v1/transit-tokens/{rider.token}", metro.operator) == standing
    (entry,) = (await metro.shown(f"/v1/accounts/{metro.payer}/entries"))["data"][-1:]
    assert entry["amount"] == 1200
    await metro.settle()
    assert (await metro.balances())[1] == (1_200, 0)
    assert await metro.town.operator.check_books() == []


async def test_taps_count_once_however_often_they_come(metro: Metro) -> None:
    """In one upload, in another, at the same time; something else under a counter is refused."""
    rider = await metro.rider()
    ride = metro.ride(rider, at(AGO, 8), "harbour", "university")
    other = metro.tap(rider, at(AGO, 9), "harbour", counter=ride[0]["counter"])
    told = await metro.upload([*ride, ride[1], other])
    assert reasons(told) == ["taken", "taken", "known", "counter_reused"]
    assert (told["taken"], told["known"], told["refused"]) == (2, 1, 1)
    again = await asyncio.gather(*(metro.upload(ride[::-1]) for _ in range(4)))
    assert [reasons(one) for one in again] == [["known", "known"]] * 4
    assert reasons(await metro.upload([other])) == ["counter_reused"]
    await metro.settle()
    assert (await metro.balances())[1] == (300, 0)


async def test_a_late_tap_takes_back_what_was_too_much(metro: Metro) -> None:
    """A missing tap-out was paid for; then it comes, and the difference is refunded."""
    rider = await metro.rider()
    tap_in, tap_out = metro.ride(rider, at(AGO, 8), "harbour", "university")
    await metro.taken([tap_in])
    assert (await metro.balances())[1] == (700, 0)
    await metro.taken([tap_out])
    assert await metro.balances() == ((10_000 - 300, 0), (300, 0))
    standing = await metro.standing(rider)
    assert (standing["due"], standing["paid"]) == (300, 300)
    assert await metro.town.operator.check_books() == []


async def test_an_open_ride_is_looked_at_when_it_cannot_end_any_more(metro: Metro) -> None:
    """It costs nothing until then, and nobody has to tap for it to be priced."""
    noon = (datetime.now(ZONE) + timedelta(hours=12)).strftime("%H:%M")  # no day ends meanwhile
    await metro.open(day_begins=noon)
    rider = await metro.rider()
    began_at = datetime.now(UTC) - timedelta(minutes=10)
    await metro.taken([metro.tap(rider, began_at, "harbour")])
    (day,) = (await metro.week(rider))["days"]
    assert [(ride["kind"], day["fare"]) for ride in day["rides"]] == [("open", 0)]
    look_at = "SELECT look_at FROM transit.week WHERE token = $1"
    due_at = await metro.fetchval(look_at, rider.token)
    assert due_at == began_at + timedelta(minutes=120, microseconds=1)
    earlier = "UPDATE transit.tap SET tapped_at = tapped_at - interval '2 hours' WHERE token = $1"
    await metro.fetchval(earlier, rider.token)
    await metro.fetchval("UPDATE transit.week SET look_at = now() WHERE token = $1", rider.token)
    await metro.settle()
    assert (await metro.standing(rider))["fares"] == 700
    ends_at = await metro.fetchval(look_at, rider.token)
    assert ends_at > due_at, "next at the end of the service day, when it is paid"


async def test_the_latest_payment_is_given_back_first(metro: Metro) -> None:
    """As far as it goes, then the one before it."""
    rider = await metro.rider()
    first, first_out = metro.ride(rider, at(AGO, 8), "harbour", "harbour")
    second, second_out = metro.ride(rider, at(AGO, 12), "harbour", "harbour")
    await metro.taken([first])
    await metro.taken([second])
    charges = "SELECT array_agg(given_back ORDER BY run) FROM transit.charge WHERE token = $1"
    assert await metro.fetchval(charges, rider.token) == [0, 0], "700, then 500 up to the cap"
    await metro.taken([second_out])
    assert await metro.fetchval(charges, rider.token) == [0, 300]
    await metro.taken([first_out])
    assert await metro.fetchval(charges, rider.token) == [300, 500]
    assert (await metro.balances())[1] == (400, 0)
    assert await metro.town.operator.check_books() == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("UPDATE transit.charge SET given_back = 1", "transit_week transit_refund"),
        ("UPDATE transit.charge SET amount = amount + 1", "transit_week transit_charge"),
        ("UPDATE transit.week SET paid = paid + 1", "transit_week"),
        ("UPDATE transit.week SET taps = taps + 1", "transit_week"),
        (
            "UPDATE transit.week SET paid = due - 1, failures = 1 WHERE due > 0",
            "transit_week transit_debt",
        ),
    ],
)
async def test_a_check_of_the_books_sees_what_was_changed(
    metro: Metro, change: str, check: str
) -> None:
    """Beside the functions that write it."""
    await metro.taken(metro.ride(await metro.rider(), at(AGO, 8), "harbour", "market"))
    assert await metro.town.operator.check_books() == []
    connection = metro.town.operator.connection
    change_back = connection.transaction()
    await change_back.start()
    try:
        await connection.execute(change)
        found = {one["check_name"] for one in await metro.town.operator.check_books()}
    finally:
        await change_back.rollback()
    assert found == set(check.split())


async def test_a_late_tap_adds_what_was_missing(metro: Metro) -> None:
    """Two payments, together what the week costs under its caps."""
    rider = await metro.rider()
    await metro.taken(metro.ride(rider, at(AGO, 8), "harbour", "airport"))
    await metro.taken(metro.ride(rider, at(AGO, 12), "harbour", "airport"))
    await metro.taken(metro.ride(rider, at(AGO, 18), "harbour", "airport"))
    assert (await metro.balances())[1] == (1200, 0)
    # The week's cap leaves 600 of the 1200 for Thursday, 0 for Friday; a late Wednesday comes in.
    await metro.taken(metro.ride(rider, at(AGO - 1, 8), "harbour", "airport"))
    for hour in (6, 9, 12, 15):
        await metro.taken(metro.ride(rider, at(AGO - 2, hour), "harbour", "airport"))
    assert (await metro.balances())[1] == (3000, 0)
    await metro.taken(metro.ride(rider, at(AGO - 1, 12), "harbour", "airport"))
    week = await metro.week(rider, at(AGO, 12).date())
    assert [day["fare"] for day in week["days"]] == [1200, 1200, 600]
    assert (await metro.balances())[1] == (3000, 0)
    assert await metro.town.operator.check_books() == []


async def test_a_decline_is_a_debt_that_gates_hear_of(metro: Metro) -> None:
    """Until it is paid, by another mandate when its provider gives one."""
    mandate = await metro.mandate()
    rider = await metro.rider(mandate)
    await metro.revoke(mandate)
    await metro.taken(metro.ride(rider, at(AGO, 8), "harbour", "airport"))
    standing = await metro.standing(rider)
    assert (standing["denied_for"], standing["owed"], standing["paid"]) == ("debt", 600, 0)
    (denial,) = await metro.denied()
    assert (denial["token"], denial["is_denied"], denial["reason"]) == (rider.token, True, "debt")
    assert await metro.denied(denial["number"]) == []
    reply = await metro.post(
        f"/v1/transit-tokens/{rider.token}/settle",
        {"mandate": await metro.mandate()},
        sender=metro.wallet,
    )
    assert reply.status == 201, reply.body
    await metro.settle()
    standing = await metro.standing(rider)
    assert (standing["denied_for"], standing["owed"], standing["paid"]) == (None, 0, 600)
    assert await metro.denied() == []
    (change,) = await metro.denied(denial["number"])
    assert (change["is_denied"], change["number"]) == (False, denial["number"] + 1)
    assert await metro.town.operator.check_books() == []


async def test_a_debt_is_asked_for_again(metro: Metro) -> None:
    """After a time that doubles; a ride in between does not shorten it."""
    poor = await metro.town.account(metro.wallet, "wallet", balance=500)
    rider = await metro.rider(await metro.mandate(payer=poor))
    await metro.taken(metro.ride(rider, at(AGO, 8), "harbour", "airport"))
    await metro.town.operator.issue(UUID(poor), 1_000, reason="test")
    await metro.taken(metro.ride(rider, at(AGO, 18), "harbour", "airport"))
    assert (await metro.standing(rider))["owed"] == 1200
    waits = (
        "SELECT extract(epoch FROM retry_at - now())::integer FROM transit.week WHERE token = $1"
    )
    assert 3_500 < await metro.fetchval(waits, rider.token) <= 3_600
    await metro.fetchval("UPDATE transit.week SET retry_at = now(), look_at = now()")
    await metro.settle()
    assert (await metro.standing(rider))["owed"] == 0
    assert await metro.denied() == []


async def test_who_owes_more_than_is_lent_is_refused_at_once(metro: Metro) -> None:
    """Before the day is over, and no longer than until it is paid."""
    await metro.open(liability_max=500, settle_minutes=2_880)
    rider = await metro.rider()
    await metro.taken(metro.ride(rider, at(1, 8), "harbour", "airport"))
    standing = await metro.standing(rider)
    assert (standing["fares"], standing["due"], standing["denied_for"]) == (600, 0, "liability")
    assert [one["reason"] for one in await metro.denied()] == ["liability"]
    await metro.fetchval("UPDATE transit.network SET settle_minutes = 0")
    await metro.fetchval("UPDATE transit.week SET look_at = now()")
    await metro.settle()
    assert ((await metro.standing(rider))["denied_for"], await metro.denied()) == (None, [])


async def test_a_blocked_token_stays_blocked(metro: Metro) -> None:
    """Its rides are paid all the same; the same answer to a repeat."""
    rider = await metro.rider()
    path = f"/v1/transit-tokens/{rider.token}/block"
    reply = await metro.post(path, {}, sender=metro.wallet, key="lost")
    assert (reply.status, reply.json["id"]) == (201, rider.token)
    again = await metro.post(path, {}, sender=metro.wallet, key="lost")
    assert (again.status, again.body) == (200, reply.body)
    await metro.taken(metro.ride(rider, at(AGO, 8), "harbour", "market"))
    standing = await metro.standing(rider)
    assert (standing["denied_for"], standing["paid"]) == ("blocked", 200)
    assert (await metro.post(path, {}, sender=metro.operator)).status == 404


async def test_a_token_is_verified_by_whoever_knows_the_switch(metro: Metro) -> None:
    """A JWS that names the rider's key; not one of another kind."""
    seed = keyfile.generate_seed()
    body = metro.token_body(await metro.mandate(), keyfile.public_key(seed), rider_class="student")
    reply = await metro.post("/v1/transit-tokens", body, sender=metro.wallet)
    signed = jws.read(reply.json["signed"])
    assert isinstance(signed, jws.Jws)
    key = metro.town.switch_keys[signed.header["kid"]]
    assert jws.is_by(signed, key.public_key)
    assert signed.header["typ"] == tap.TYPE
    claims = msgspec.json.decode(signed.payload, type=tap.Claims)
    assert (claims.sub, claims.network) == (reply.json["id"], metro.network)
    assert (claims.rider_class, claims.liability_max) == ("student", 3000)
    assert claims.cnf.jwk.x == base64url(keyfile.public_key(seed))


async def test_taps_that_do_not_count_say_why(metro: Metro) -> None:
    """Nothing of an upload is lost because of its neighbours."""
    rider, closed = await metro.rider(), await metro.gate("closed")
    assert (await metro.post(f"/v1/transit-gates/{closed.id}/close", {})).status == 201
    good = metro.tap(rider, at(AGO, 8), "harbour")
    stranger = Rider(token=str(uuid4()), key=rider.key)
    forged = Rider(token=rider.token, key=signing_key("x", keyfile.generate_seed()))
    by_gate = metro.tap(rider, at(AGO, 9), "harbour")
    now = datetime.now(UTC)
    cases = [
        (good, "taken"),
        (metro.tap(rider, at(AGO, 8), "moon"), "unknown_station"),
        (metro.tap(stranger, at(AGO, 8), "harbour"), "unknown_token"),
        (good | {"gate": str(uuid4())}, "unknown_gate"),
        (metro.tap(rider, at(AGO, 8), "harbour", gate=closed), "gate_closed"),
        (metro.tap(forged, at(AGO, 8), "harbour"), "rider_signature_wrong"),
        (by_gate | {"gate_signature": good["gate_signature"]}, "gate_signature_wrong"),
        (good | {"station": "market"}, "rider_signature_wrong"),
        (metro.tap(rider, now - timedelta(days=36), "harbour"), "too_old"),
        (metro.tap(rider, now + timedelta(minutes=6), "harbour"), "still_to_come"),
        (good | {"tapped_at": "0001-01-01T00:00:00+14:00"}, "too_old"),
    ]
    assert reasons(await metro.upload([one for one, _ in cases])) == [why for _, why in cases]
    short = await metro.rider(not_before=rfc3339(now - timedelta(hours=1)))
    told = await metro.upload([metro.tap(short, at(AGO, 8), "harbour")])
    assert reasons(told) == ["token_not_valid"]
    reply = await metro.post("/v1/transit-taps", {"taps": [good]}, sender=metro.wallet)
    assert reasons(reply.json) == ["unknown_gate"]


async def test_a_token_is_for_one_network(metro: Metro) -> None:
    """Gates of another one of the same operator do not know it."""
    rider = await metro.rider()
    await metro.open()
    told = await metro.upload([metro.tap(rider, at(AGO, 8), "harbour")])
    assert reasons(told) == ["unknown_token"]


async def test_a_day_without_fares_takes_no_taps(metro: Metro) -> None:
    """And days that have begun keep the fares they have."""
    await metro.open(FARES | {"from_day": at(AGO, 12).date().isoformat()})
    rider = await metro.rider()
    told = await metro.upload([metro.tap(rider, at(AGO, 3), "harbour")])
    assert reasons(told) == ["no_fares"], "at three it is still the day before"
    assert reasons(await metro.upload([metro.tap(rider, at(AGO, 4), "harbour")])) == ["taken"]
    path = f"/v1/transit-networks/{metro.network}/fares"
    today = datetime.now(UTC).date()
    begun = await metro.post(path, FARES | {"from_day": (today - timedelta(days=1)).isoformat()})
    assert (begun.status, begun.json["field"]) == (400, "from_day")
    later = FARES | {"from_day": (today + timedelta(days=9)).isoformat(), "boarding_price": 9}
    reply = await metro.post(path, later, key="fares")
    assert (reply.status, reply.json["boarding_price"]) == (201, 9)
    again = await metro.post(path, later, key="fares")
    assert (again.status, again.body) == (200, reply.body)
    assert (await metro.post(path, later)).status == 400, "there is one from that day on"
    for days in range(10, 9 + limits.TABLES_AHEAD_MAX):
        more = FARES | {"from_day": (today + timedelta(days=days)).isoformat()}
        assert (await metro.post(path, more)).status == 201
    reply = await metro.post(path, FARES | {"from_day": (today + timedelta(days=99)).isoformat()})
    assert (reply.status, "already" in reply.json["detail"]) == (400, True)
    shown = await metro.shown(f"/v1/transit-networks/{metro.network}")
    assert len(shown["fares"]) == 1 + limits.TABLES_AHEAD_MAX
    shown["fares"] = shown["fares"][:2]
    assert [one["boarding_price"] for one in shown["fares"]] == [150, 9]


async def test_so_many_taps_a_day_and_no_more(metro: Metro) -> None:
    """A broken gate costs its rider a cap, and the switch no memory."""
    rider = await metro.rider()
    first = [
        metro.tap(rider, at(AGO, 8) + timedelta(seconds=number), "harbour", "board")
        for number in range(limits.TAPS_A_DAY_MAX - 1)
    ]
    assert set(reasons(await metro.upload(first))) == {"taken"}
    more = [metro.tap(rider, at(AGO, 9, number), "harbour", "board") for number in range(3)]
    assert reasons(await metro.upload([first[0], *more])) == [
        "known", "taken", "too_many", "too_many",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"prices": [[1, 2], [3, 4]]}, "stations.airport"),
        ({"prices": [[1, 2], [3]], "stations": {"a": 0}}, "prices[1]"),
        ({"classes": {}}, "classes"),
        ({"transfer_percent": 101}, "transfer_percent"),
        ({"stations": {"with space": 0}}, "stations"),
        ({"from_day": "tomorrow"}, "from_day"),
        ({"boarding_price": -1}, "boarding_price"),
    ],
)
async def test_fares_that_break_a_rule_are_refused(
    metro: Metro, changed: dict[str, Any], field: str
) -> None:
    """With the field."""
    body = FARES | {"from_day": "2026-12-24"} | changed
    reply = await metro.post(f"/v1/transit-networks/{metro.network}/fares", body)
    assert (reply.status, reply.json["field"]) == (400, field), reply.body


async def test_tokens_need_a_mandate_and_a_class(metro: Metro) -> None:
    """For the network's account, of the sender, known to the latest fares."""
    key = keyfile.public_key(keyfile.generate_seed())
    mandate = await metro.mandate()
    other = await metro.town.account(metro.operator, "merchant")
    elsewhere = metro.network_body(account=other)
    elsewhere_id = await metro.made("/v1/transit-networks", elsewhere)
    await metro.made(f"/v1/transit-networks/{elsewhere_id}/fares", FARES)
    cases = [
        (metro.token_body(mandate, key, network=elsewhere_id), metro.wallet, 400, "mandate"),
        (metro.token_body(str(uuid4()), key), metro.wallet, 400, "mandate"),
        (metro.token_body(mandate, key), metro.operator, 400, "mandate"),
        (metro.token_body(mandate, key, rider_class="martian"), metro.wallet, 400, "rider_class"),
        (metro.token_body(mandate, key, network=str(uuid4())), metro.wallet, 404, None),
        (metro.token_body(mandate, key, not_after="2020-01-02T00:00:00Z"), metro.wallet, 400,
         "not_after"),
        (metro.token_body(mandate, bytes(32)), metro.wallet, 400, "public_key.x"),
    ]  # fmt: skip
    for body, sender, status, field in cases:
        reply = await metro.post("/v1/transit-tokens", body, sender=sender)
        assert (reply.status, reply.json.get("field")) == (status, field), reply.body


async def test_what_is_others_is_not_found(metro: Metro) -> None:
    """Tokens, networks to change, deny lists."""
    other = await metro.town.member("wallet")
    rider = await metro.rider()
    for path in (
        f"/v1/transit-tokens/{rider.token}",
        f"/v1/transit-tokens/{rider.token}/rides",
        f"/v1/transit-networks/{metro.network}/denied",
        f"/v1/transit-networks/{uuid4()}",
    ):
        assert (await metro.town.send(other, "GET", path)).status == 404, path
    gate = {"network": metro.network, "name": "x", "public_key": _jwk()}
    for path, body in (
        ("/v1/transit-gates", gate),
        (f"/v1/transit-gates/{metro.gates[0].id}/close", {}),
        (f"/v1/transit-networks/{metro.network}/fares", FARES | {"from_day": "2026-12-24"}),
        (f"/v1/transit-tokens/{rider.token}/settle", {}),
        ("/v1/transit-networks", metro.network_body()),
    ):
        assert (await metro.post(path, body, sender=other)).status == 404, path


async def test_a_suspended_operator_uploads_nothing_and_takes_nothing(metro: Metro) -> None:
    """Its riders' weeks wait until it is back."""
    rider = await metro.rider()
    assert reasons(await metro.upload([metro.tap(rider, at(AGO, 8), "harbour")])) == ["taken"]
    await metro.town.operator.set_participant_status(metro.operator.id, status="suspended")
    try:
        await metro.settle()
        assert (await metro.balances())[0] == (10_000, 0)
    finally:
        await metro.town.operator.set_participant_status(metro.operator.id, status="active")
    await metro.settle()
    assert (await metro.balances())[0] == (10_000 - 700, 0)


async def test_what_the_operator_gave_back_itself_is_not_given_back_twice(metro: Metro) -> None:
    """A refund of its own counts when a late tap lowers the fare."""
    rider = await metro.rider()
    tap_in, tap_out = metro.ride(rider, at(AGO, 8), "harbour", "university")
    await metro.taken([tap_in])
    payment = await metro.fetchval(
        "SELECT payment FROM transit.charge WHERE token = $1", rider.token
    )
    reply = await metro.post(f"/v1/payments/{payment}/refund", {"amount": 600})
    assert reply.status == 201, reply.body
    await metro.taken([tap_out])
    assert await metro.balances() == ((10_000, 0), (0, 0)), "all 700 went back, by two refunds"
    await metro.settle()
    assert (await metro.standing(rider))["paid"] == 300, "as if it were a gift of the operator"
    assert await metro.town.operator.check_books() == []


def _jwk() -> dict[str, str]:
    x = base64url(keyfile.public_key(keyfile.generate_seed()))
    return {"kty": "OKP", "crv": "Ed25519", "x": x}
