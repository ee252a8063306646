"""Bills over HTTP: presented once, found by who may pay them, paid as they ask, held to account."""

from typing import Any
from uuid import uuid4

import pytest

from tests.integration.town import CURRENCY, Reply
from tests.services.bills.scene import Scene, day


def assert_repeated(reply: Reply, body: bytes) -> None:
    """The stored answer, byte for byte."""
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["Idempotent-Replayed"] == "true"
    assert reply.is_signed


async def test_a_bill_is_found_and_paid(scene: Scene) -> None:
    """By the number that the biller knows the customer by; the biller sees that it is paid."""
    first = await scene.present(payee_name="City Water", reference="11/4711", late_fee=500)
    assert (first.status, first.is_signed) == (201, True)
    bill = first.json
    assert (bill["status"], bill["amount_left"], bill["amount_min"]) == ("open", 8640, 8640)
    query = f"/v1/bills?payee={scene.payee}&customer=contract%204711"
    found = (await scene.get(query, scene.wallet)).json["data"]
    assert found == [bill]
    payable = (await scene.get(f"/v1/payment-requests/{bill['id']}", scene.wallet)).json
    assert (payable["amount_left"], payable["late_fee"]) == (8640, 500)
    paid = await scene.pay(bill["id"], 8640)
    assert (paid["status"], paid["request"]) == ("completed", bill["id"])
    now = await scene.shown(bill["id"])
    assert now == bill | {"status": "paid", "paid": 8640, "amount_left": 0}
    again = await scene.pay(bill["id"], 8640)
    assert (again["status"], again["reason"]) == ("declined", "request_paid")


async def test_presenting_is_answered_once_a_key(scene: Scene) -> None:
    """The same bytes after it was paid and cancelled; anything else under the key is 422."""
    asked = scene.asked(amount_min=10)
    first = await scene.present(key="p", **asked)
    bill = first.json["id"]
    await scene.pay(bill, 640)
    assert_repeated(await scene.present(key="p", **asked), first.body)
    await scene.cancel(bill)
    assert_repeated(await scene.present(key="p", **asked), first.body)
    for other in (
        await scene.present(key="p", **asked | {"amount": 2_000}),
        await scene.cancel(bill, key="p"),
        await scene.batch(asked, asked, key="p"),
    ):
        assert (other.status, other.problem) == (422, "idempotency-key-reused")


async def test_a_batch_is_presented_whole_or_not_at_all(scene: Scene) -> None:
    """Its bills in their order, again the same; one that cannot be presented stops all."""
    bills = [scene.asked(reference=f"b-{number}", amount=100 + number) for number in range(5)]
    first = await scene.batch(*bills, key="b")
    assert first.status == 201
    assert [bill["reference"] for bill in first.json["bills"]] == [f"b-{n}" for n in range(5)]
    await scene.pay(first.json["bills"][2]["id"], 102)
    assert_repeated(await scene.batch(*bills, key="b"), first.body)
    listed = (await scene.get(f"/v1/bills?payee={scene.payee}&limit=2")).json
    assert [bill["reference"] for bill in listed["data"]] == ["b-0", "b-1"]
    rest = await scene.get(f"/v1/bills?payee={scene.payee}&after={listed['next_after']}")
    assert [bill["status"] for bill in rest.json["data"]] == ["paid", "open", "open"]
    refused = await scene.batch(scene.asked(), scene.asked(reference="b-1"))
    assert (refused.status, refused.json["field"]) == (400, "bills[1].reference")
    twice = await scene.batch(*[scene.asked(reference="c")] * 2)
    assert (twice.status, twice.json["field"]) == (400, "bills[1].reference")
    assert len((await scene.get(f"/v1/bills?payee={scene.payee}")).json["data"]) == 5


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount_min": 8640}, "amount_min"),
        ({"currency": "XXQ"}, "currency"),
        ({"currency": "EUR"}, "payee"),
        ({"due_on": "2026-02-30"}, "due_on"),
        ({"due_on": "9999-12-31"}, "due_on"),
        ({"due_on": "2001-01-01"}, "not_after"),
        ({"not_after": "2100-01-01T00:00:00Z", "due_on": "2100-01-01"}, "not_after"),
        ({"customer": ""}, "customer"),
        ({"customer": "a\u0007b"}, "customer"),
        ({"payee": str(uuid4())}, "payee"),
        ({"tip": 1}, "tip"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
async def test_a_bill_that_breaks_a_rule_is_refused_by_name(
    change: dict[str, Any], field: str, scene: Scene
) -> None:
    """Alone and in a batch; no key is spent."""
    alone = await scene.present(key="k", **change)
    assert (alone.status, alone.problem) == (400, "malformed-message")
    assert alone.json["field"].endswith(field)
    among = await scene.batch(scene.asked(), scene.asked(**change), key="k")
    assert (among.status, among.json["field"].endswith(field)) == (400, True)
    assert (await scene.present(key="k")).status == 201


async def test_a_bill_is_paid_in_parts_where_its_biller_says_so(scene: Scene) -> None:
    """Patient, fund and subsidy; a part below the least is refused, the last may be smaller."""
    bill = await scene.presented(amount=1_000, amount_min=400)
    assert (await scene.pay(bill, 399))["reason"] == "request_amount_mismatch"
    for amount, left in ((400, 600), (450, 150), (150, 0)):
        assert (await scene.pay(bill, amount))["status"] == "completed"
        assert (await scene.shown(bill))["amount_left"] == left


async def test_what_is_overdue_asks_the_late_fee(scene: Scene) -> None:
    """From the day after it was due on, in the city's time."""
    bill = await scene.presented(amount=1_000, due_on=day(-2), late_fee=50)
    shown = await scene.shown(bill)
    assert (shown["status"], shown["amount_left"]) == ("overdue", 1_050)
    assert (await scene.pay(bill, 1_000))["reason"] == "request_amount_mismatch"
    assert (await scene.pay(bill, 1_050))["status"] == "completed"
    assert (await scene.shown(bill))["status"] == "paid"
    in_time = await scene.presented(amount=1_000, due_on=day(2), late_fee=50)
    assert (await scene.pay(in_time, 1_050))["reason"] == "request_amount_mismatch"
    assert (await scene.pay(in_time, 1_000))["status"] == "completed"


async def test_a_cancelled_bill_is_paid_no_more(scene: Scene) -> None:
    """What was paid stays paid; the answer is the same again; a stranger cancels nothing."""
    bill = await scene.presented(amount=1_000, amount_min=1)
    await scene.pay(bill, 300)
    assert (await scene.cancel(bill, by=scene.wallet)).problem == "not-found"
    first = await scene.cancel(bill, key="c")
    assert (first.status, first.json["status"], first.json["paid"]) == (201, "cancelled", 300)
    assert (await scene.pay(bill, 1))["reason"] == "request_ended"
    assert_repeated(await scene.cancel(bill, key="c"), first.body)


async def test_a_day_is_accounted_for(scene: Scene) -> None:
    """What was paid and given back, in all and one by one; only of bills."""
    bills = [await scene.presented(amount=100 + n, reference=f"r{n}") for n in range(3)]
    paid = [await scene.pay(bill, 100 + n) for n, bill in enumerate(bills)]
    await scene.town.pay(scene.wallet, scene.payer, scene.payee, 7)  # of no bill
    refund = await scene.town.step(scene.biller, paid[1]["id"], "refund", {"amount": 40})
    assert refund.status == 201
    today = await scene.local_day(paid[0]["created_at"])
    query = f"payee={scene.payee}&day={today}"
    total = (await scene.get(f"/v1/bill-days?{query}")).json
    assert total == {
        "payee": scene.payee, "day": today, "currency": CURRENCY,
        "payments": 3, "amount": 303, "refunds": 1, "amount_refunded": 40,
    }  # fmt: skip
    first = (await scene.get(f"/v1/bill-payments?{query}&limit=2")).json
    rest = (await scene.get(f"/v1/bill-payments?{query}&after={first['next_after']}")).json
    listed = first["data"] + rest["data"]
    assert [(one["id"], one["bill"], one["amount"]) for one in listed] == [
        (payment["id"], bill, payment["amount"]) for payment, bill in zip(paid, bills, strict=True)
    ]
    assert [one["reference"] for one in listed] == ["r0", "r1", "r2"]
    empty = (await scene.get(f"/v1/bill-days?payee={scene.payee}&day=2026-01-01")).json
    assert (empty["payments"], empty["amount"]) == (0, 0)


async def test_strangers_see_no_books(scene: Scene) -> None:
    """A day is its biller's; without a customer's number nobody else finds a bill."""
    paid = await scene.pay(await scene.presented(), 8640)
    query = f"payee={scene.payee}&day={await scene.local_day(paid['created_at'])}"
    assert (await scene.get(f"/v1/bill-days?{query}", scene.wallet)).problem == "not-found"
    for target in (f"/v1/bill-payments?{query}", f"/v1/bills?payee={scene.payee}"):
        assert (await scene.get(target, scene.wallet)).json["data"] == []
    for target in ("/v1/bills", f"/v1/bill-days?payee={scene.payee}", "/v1/bills?payee=7"):
        assert (await scene.get(target)).status == 400


async def test_a_barred_key_presents_nothing(scene: Scene) -> None:
    """And one that was spent on a bill tells what was asked for."""
    assert (await scene.town.bar(scene.biller, "late")).json["reason"] == "barred"
    assert (await scene.present(key="late")).json["reason"] == "barred"
    first = await scene.present(key="spent", reference="known")
    told = await scene.town.bar(scene.biller, "spent")
    assert (told.json["id"], told.json["reference"]) == (first.json["id"], "known")
