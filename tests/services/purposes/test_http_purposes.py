"""Purposes and purses over HTTP: made once a key, drawn in order, refunded the way they came."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.town import Member, Place
from tests.services.funding import Funding, in_days


async def test_what_is_made_is_answered_once_a_key(funding: Funding) -> None:
    """The same bytes to a repeat, whatever happened since; anything else under the key is 422."""
    asked = funding.purpose(name="Medicine", categories=["5912"], weekdays=[1, 7])
    first = await funding.post(funding.office, "/v1/purposes", asked, key="p")
    again = await funding.post(funding.office, "/v1/purposes", asked, key="p")
    assert (first.status, again.status, again.body) == (201, 200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await funding.post(funding.office, "/v1/purposes", asked | {"name": "Meals"}, key="p")
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    shown = await funding.town.send(funding.wallet, "GET", f"/v1/purposes/{first.json['id']}")
    assert (shown.status, shown.json) == (200, first.json)

    asked = {"purpose": first.json["id"], "wallet": funding.payer}
    purse = await funding.post(funding.office, "/v1/purses", asked, key="w")
    again = await funding.post(funding.office, "/v1/purses", asked, key="w")
    assert (purse.status, again.status, again.body) == (201, 200, purse.body)
    another = await funding.post(funding.office, "/v1/purses", asked, key="another")
    assert another.json == purse.json, "one purse of a purpose beside a wallet"
    barred = await funding.town.bar(funding.office, "w")
    assert (barred.status, barred.json) == (200, purse.json)


async def test_a_barred_key_makes_nothing(funding: Funding) -> None:
    """The bar is the answer, for good."""
    barred = await funding.town.bar(funding.office, "never")
    reply = await funding.post(funding.office, "/v1/purposes", funding.purpose(), key="never")
    assert (reply.status, reply.body) == (200, barred.body)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"not_after": "2020-01-01T00:00:00Z"}, "not_after"),
        ({"not_after": "9999-12-31T23:59:59.999999Z"}, "not_after"),
        ({"categories": ["581"]}, "categories"),
        ({"categories": []}, "categories"),
        ({"districts": ["\u0000"]}, "districts"),
        ({"districts": ["east", "\u009f"]}, "districts"),
        ({"weekdays": [0]}, "weekdays"),
        ({"from_time": "10:00"}, "from_time"),
        ({"from_time": "10:00", "until_time": "10:00"}, "until_time"),
        ({"from_time": "25:00", "until_time": "26:00"}, "from_time"),
        ({"name": ""}, "name"),
        ({"account": None}, "account"),
        ({"amount": 1}, "amount"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
async def test_a_purpose_that_breaks_a_rule(
    funding: Funding, more: dict[str, Any], field: str
) -> None:
    """Says which field, and spends no key."""
    reply = await funding.post(funding.office, "/v1/purposes", funding.purpose(**more), key="k")
    assert (reply.status, reply.problem) == (400, "malformed-message")
    assert reply.json["field"].split("[")[0] == field
    assert (await funding.post(funding.office, "/v1/purposes", funding.purpose(), key="k")).json


async def test_districts_have_names_in_any_script(funding: Funding) -> None:
    """And quotes, which are escaped on the wire."""
    named = ["\N{CJK UNIFIED IDEOGRAPH-5E02}\N{CJK UNIFIED IDEOGRAPH-5357}", 'the "old" harbour']
    reply = await funding.post(funding.office, "/v1/purposes", funding.purpose(districts=named))
    assert (reply.status, reply.json["districts"]) == (201, named)


async def test_what_is_not_yours_is_not_found(funding: Funding) -> None:
    """Nobody binds another's money, opens purses of another's purpose, or sees another's purses."""
    reply = await funding.post(funding.wallet, "/v1/purposes", funding.purpose())
    assert (reply.status, reply.problem) == (404, "not-found")
    purpose = await funding.made(funding.office, "/v1/purposes", funding.purpose())
    asked = {"purpose": purpose, "wallet": funding.payer}
    reply = await funding.post(funding.wallet, "/v1/purses", asked)
    assert (reply.status, reply.problem) == (404, "not-found")
    for wallet in (str(uuid4()), funding.payee):
        reply = await funding.post(funding.office, "/v1/purses", asked | {"wallet": wallet})
        assert (reply.status, reply.json.get("field")) == (400, "wallet")
    await funding.made(funding.office, "/v1/purses", asked)
    for reader, count in ((funding.wallet, 1), (funding.office, 0), (funding.merchant, 0)):
        reply = await funding.town.send(reader, "GET", f"/v1/purses?account={funding.payer}")
        assert len(reply.json["data"]) == count
    reply = await funding.town.send(funding.wallet, "GET", "/v1/purses")
    assert (reply.status, reply.json["field"]) == (400, "account")
    reply = await funding.town.send(funding.wallet, "GET", f"/v1/purposes/{uuid4()}")
    assert reply.status == 404


async def test_purses_pay_in_order_and_get_back_in_turn(funding: Funding) -> None:
    """The one that ends first pays first; the wallet gets its own back first."""
    late = await funding.purse(300, not_after=in_days(60))
    soon = await funding.purse(200, not_after=in_days(10))
    paid = await funding.buy(700)
    assert await funding.balances(soon, late) == (9_800, 700, 0, 0)
    line = await funding.entry(funding.wallet, funding.payer)
    assert (line["amount"], line["drawn"]) == (200, 500)
    for amount, expected in (
        (150, (9_950, 550, 0, 0)),
        (100, (10_000, 450, 0, 50)),
        (300, (10_000, 150, 50, 300)),
        (150, (10_000, 0, 200, 300)),
    ):
        refund = await funding.town.step(funding.merchant, paid["id"], "refund", {"amount": amount})
        assert refund.json["status"] == "completed", refund.body
        assert await funding.balances(soon, late) == expected
    shown = await funding.town.shown(funding.wallet, paid["id"])
    assert (shown["status"], shown["amount_refunded"]) == ("refunded", 700)


@pytest.mark.parametrize(
    "more",
    [
        {"categories": ["5411"]},
        {"districts": ["west"]},
        {"weekdays": "another"},
        {"from_time": "another", "until_time": "another"},
    ],
    ids=lambda more: next(iter(more)),
)
async def test_a_purse_is_for_its_purpose_only(funding: Funding, more: dict[str, Any]) -> None:
    """Another shop, district, day or hour is paid from the wallet."""
    zone = await funding.town.operator.connection.fetchval(
        "SELECT extract(epoch FROM now() AT TIME ZONE value - now() AT TIME ZONE 'UTC')::int"
        " FROM ledger.setting WHERE name = 'time_zone'"
    )
    local = datetime.fromtimestamp(datetime.now(UTC).timestamp() + zone, UTC)
    hour = (local.hour + 12) % 23
    real = {
        "weekdays": [(local.isoweekday() + 2) % 7 + 1], "from_time": f"{hour:02}:00",
        "until_time": f"{hour + 1:02}:00",
    }  # fmt: skip
    more = {name: real.get(name, value) for name, value in more.items()}
    purse = await funding.purse(500, **more)
    await funding.buy(100)
    assert await funding.balances(purse) == (9_900, 100, 500)


async def test_a_purse_pays_for_a_mandate_but_not_for_a_hold(funding: Funding) -> None:
    """Whoever sends the purchase; a hold is the wallet's own money."""
    purse = await funding.purse(500)
    mandate = await funding.mandate_in_the_ledger(900)
    order = funding.order(mandate=mandate, amount=200)
    del order["payer"]
    reply = await funding.post(funding.merchant, "/v1/payments", order)
    assert reply.json["status"] == "completed", reply.body
    assert await funding.balances(purse) == (10_000, 200, 300)
    held = await funding.buy(100, capture=False)
    await funding.town.step(funding.merchant, held["id"], "capture")
    assert await funding.balances(purse) == (9_900, 300, 300)
    transferred = await funding.buy(100, type="transfer")
    assert transferred["status"] == "completed"
    assert await funding.balances(purse) == (9_800, 400, 300)


async def test_a_purse_is_nobodys_to_spend_otherwise(funding: Funding) -> None:
    """Naming it as payer is refused; a frozen one does not pay."""
    purse = await funding.purse(500)
    reply = await funding.town.pay(funding.wallet, purse, funding.payee, 100)
    assert reply.json["reason"] == "not_permitted"
    frozen = await funding.town.send(
        funding.wallet, "POST", f"/v1/accounts/{purse}/freeze", key=uuid4().hex
    )
    assert frozen.status == 201, frozen.body
    await funding.buy(100)
    assert await funding.balances(purse) == (9_900, 100, 500)


async def test_what_is_left_goes_back(funding: Funding, town: Place) -> None:
    """Once the purpose has ended; a refund after that goes to the funder too."""
    purse = await funding.purse(500)
    paid = await funding.buy(200)
    connection = funding.town.operator.connection
    ended = "SET not_after = now() - interval '10 minutes'"
    purpose = await connection.fetchval(
        f"UPDATE ledger.purse {ended} WHERE id = $1 RETURNING purpose", purse
    )
    await connection.execute(f"UPDATE ledger.purpose {ended} WHERE id = $1", purpose)
    assert await _swept(town) == 1
    assert await funding.balances(purse, funding.account) == (10_000, 200, 0, 99_800)
    late = await funding.town.pay(funding.office, funding.account, purse, 5, type="transfer")
    assert late.json["reason"] == "payee_closed"
    refund = await funding.town.step(funding.merchant, paid["id"], "refund")
    assert refund.json["status"] == "completed"
    assert await funding.balances(purse, funding.account) == (10_000, 0, 0, 100_000)
    assert await _swept(town) == 0


async def _swept(town: Place) -> int:
    ids = [uuid4() for _ in range(100)]
    found = await town.operator.connection.fetchval("SELECT ledger.sweep_funds($1)", ids)
    assert not await town.operator.check_books()
    return int(found)


async def test_a_member_of_another_kind_may_fund(funding: Funding, merchant: Member) -> None:
    """A merchant binds its own money."""
    own = funding.purpose(account=funding.payee)
    assert await funding.made(merchant, "/v1/purposes", own)
