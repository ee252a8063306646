"""Bills that are taken by a mandate: at once, and in instalments, each from its day on."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry

from switch.clock import SYSTEM_CLOCK
from switch.service import JobCore
from switch.services.bills import limits
from switch.services.bills.instalments import Taker
from tests.integration.town import CURRENCY, Reply
from tests.services import permission
from tests.services.bills.scene import Scene, day
from tests.services.funding import funded

FEE = 4_800


async def mandate(scene: Scene, payee: str | None = None) -> str:
    """The customer's wallet lets the biller take."""
    return await permission.give(scene.town, scene.wallet, scene.payer, payee or scene.payee)


async def fetchval(scene: Scene, statement: str, *arguments: Any) -> Any:
    """As the operator."""
    return await scene.town.operator.connection.fetchval(statement, *arguments)


async def today(scene: Scene) -> date:
    """The city's."""
    found: date = await fetchval(scene, "SELECT ledger.local_day(now())")
    return found


async def parts(scene: Scene, *plan: tuple[int, int]) -> list[dict[str, Any]]:
    """Amounts, each so many days from today."""
    now = await today(scene)
    return [
        {"amount": amount, "due_on": (now + timedelta(days=days)).isoformat()}
        for amount, days in plan
    ]


async def planned(
    scene: Scene, bill: str, by: str, *plan: tuple[int, int], key: str | None = None
) -> Reply:
    """Ask for a bill to be taken in parts."""
    content = {"mandate": by, "parts": await parts(scene, *plan)}
    path = f"/v1/bills/{bill}/instalments"
    return await scene.town.send(
        scene.biller, "POST", path, content=content, key=key or uuid4().hex
    )


async def enrolled(scene: Scene, *plan: tuple[int, int]) -> tuple[str, str]:
    """A school's fee that is paid in such parts: the bill, and the mandate."""
    by = await mandate(scene)
    bill = await scene.presented(amount=FEE, amount_min=1_000, due_on=day(300))
    reply = await planned(scene, bill, by, *plan)
    assert reply.status == 201, reply.body
    return bill, by


async def take(scene: Scene) -> None:
    """What the job does, until nothing is due now."""
    connection = await scene.town.database.connect("switch_jobs_login")
    taker = Taker(JobCore(clock=SYSTEM_CLOCK, registry=CollectorRegistry()))
    try:
        while await taker.turn(connection) < limits.TAKE_INTERVAL_S:
            pass
    finally:
        await connection.close()


async def shown(scene: Scene, bill: str) -> list[tuple[str, str | None]]:
    """Of each part what became of it."""
    reply = await scene.get(f"/v1/bills/{bill}/instalments", scene.wallet)
    assert reply.status == 200, reply.body
    return [(part["status"], part["reason"]) for part in reply.json["parts"]]


async def balance(scene: Scene) -> int:
    """The customer's."""
    return (await scene.town.balance(scene.wallet, scene.payer))[0]


async def test_a_bill_is_taken_by_a_mandate(scene: Scene) -> None:
    """By the biller, once, as if its customer had paid it."""
    bill, by = await scene.presented(), await mandate(scene)
    order = {
        "type": "purchase", "mandate": by, "payee": scene.payee, "request": bill, "amount": 8640,
        "currency": CURRENCY,
    }  # fmt: skip
    for reason in (None, "request_paid"):
        reply = await scene.town.send(
            scene.biller, "POST", "/v1/payments", content=order, key=uuid4().hex
        )
        assert (reply.status, reply.json["reason"]) == (201, reason)
    assert (await scene.shown(bill))["status"] == "paid"
    assert await scene.town.operator.check_books() == []


async def test_instalments_are_taken_from_their_day_on(scene: Scene) -> None:
    """Each once; both sides see what was taken and what is to come."""
    bill, _ = await enrolled(scene, (2_000, 0), (1_500, 0), (1_300, 30))
    before = await balance(scene)
    await take(scene)
    await take(scene)
    assert before - await balance(scene) == 3_500
    assert await shown(scene, bill) == [("paid", None), ("paid", None), ("planned", None)]
    mine = (await scene.get(f"/v1/bills/{bill}/instalments")).json
    theirs = (await scene.get(f"/v1/bills/{bill}/instalments", scene.wallet)).json
    assert mine == theirs
    assert (await scene.shown(bill))["amount_left"] == 1_300
    await fetchval(scene, "UPDATE bills.instalment SET take_at = now() WHERE take_at IS NOT NULL")
    await take(scene)
    assert (await scene.shown(bill))["status"] == "paid"
    assert await scene.town.operator.check_books() == []


async def test_a_plan_is_made_once(scene: Scene) -> None:
    """The same answer to a repeat, a refusal to another plan."""
    by = await mandate(scene)
    bill = await scene.presented(amount=FEE, amount_min=1_000)
    first = await planned(scene, bill, by, (2_400, 1), (2_400, 31), key="plan")
    again = await planned(scene, bill, by, (2_400, 1), (2_400, 31), key="plan")
    assert (first.status, again.status, again.body) == (201, 200, first.body)
    assert first.json == (await scene.get(f"/v1/bills/{bill}/instalments")).json
    other = await planned(scene, bill, by, (2_400, 1), (2_400, 31))
    assert (other.status, other.json["field"]) == (400, "parts")


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        (((2_400, 1), (2_399, 31)), "parts"),
        (((999, 1), (3_801, 31)), "parts"),
        (((2_400, 31), (2_400, 1)), "parts[1].due_on"),
        (((2_400, -3), (2_400, 1)), "parts[0].due_on"),
        (((2_400, 1), (2_400, 4_000)), "parts[1].due_on"),
    ],
)
async def test_a_plan_that_breaks_a_rule_is_refused(
    scene: Scene, plan: tuple[tuple[int, int], ...], field: str
) -> None:
    """It names what is left, takes no part that the bill would not, and has its days in order."""
    bill = await scene.presented(amount=FEE, amount_min=1_000)
    reply = await planned(scene, bill, await mandate(scene), *plan)
    assert (reply.status, reply.json["field"]) == (400, field), reply.body


async def test_a_plan_needs_a_bill_and_a_mandate(scene: Scene) -> None:
    """The biller's own, one that takes parts, and a mandate for its payee."""
    whole = await scene.presented(amount=FEE)
    by = await mandate(scene)
    assert (await planned(scene, whole, by, (2_400, 1), (2_400, 31))).json["field"] == "parts"
    assert (await planned(scene, whole, by, (FEE, 1))).status == 201, "one part is no part"
    bill = await scene.presented(amount=FEE, amount_min=1)
    elsewhere = await scene.town.account(scene.biller, "merchant")
    for wrong in (str(uuid4()), await mandate(scene, elsewhere)):
        reply = await planned(scene, bill, wrong, (FEE, 1))
        assert (reply.status, reply.json["field"]) == (400, "mandate")
    assert (await planned(scene, str(uuid4()), by, (FEE, 1))).status == 404
    content = {"mandate": by, "parts": await parts(scene, (FEE, 1))}
    path = f"/v1/bills/{bill}/instalments"
    reply = await scene.town.send(scene.wallet, "POST", path, content=content, key="x")
    assert reply.status == 404, "another's bill"
    assert (await scene.get(path)).status == 404, "it has no plan"


async def test_what_is_declined_is_taken_again_a_day_later(scene: Scene) -> None:
    """Ten times; then its biller has to see to it."""
    bill, by = await enrolled(scene, (FEE, 0))
    await fetchval(scene, "UPDATE ledger.mandate SET revoked_at = now() WHERE id = $1", UUID(by))
    await take(scene)
    assert await shown(scene, bill) == [("planned", "mandate_ended")]
    waits_s = await fetchval(
        scene,
        "SELECT extract(epoch FROM take_at - now())::integer FROM bills.instalment WHERE bill = $1",
        UUID(bill),
    )
    assert limits.RETRY_S - 60 < waits_s <= limits.RETRY_S
    for _ in range(limits.ATTEMPTS_MAX - 1):
        await fetchval(scene, "UPDATE bills.instalment SET take_at = now() WHERE bill = $1",
                       UUID(bill))  # fmt: skip
        await take(scene)
    assert await shown(scene, bill) == [("given_up", "mandate_ended")]


async def test_what_was_paid_by_hand_is_not_taken(scene: Scene) -> None:
    """The last part is what is left; nothing where nothing is."""
    bill, _ = await enrolled(scene, (2_000, 0), (2_800, 0))
    await scene.pay(bill, 1_500)
    await take(scene)
    assert await shown(scene, bill) == [("paid", None), ("paid", None)]
    assert (await scene.shown(bill))["status"] == "paid"
    bill, _ = await enrolled(scene, (2_000, 1), (2_800, 1))
    await scene.pay(bill, FEE)
    await fetchval(scene, "UPDATE bills.instalment SET take_at = now() WHERE take_at IS NOT NULL")
    await take(scene)
    assert await shown(scene, bill) == [("given_up", "request_paid")] * 2
    assert await scene.town.operator.check_books() == []


async def test_a_suspended_biller_takes_nothing(scene: Scene) -> None:
    """Until it is back."""
    bill, _ = await enrolled(scene, (FEE, 0))
    await scene.town.operator.set_participant_status(scene.biller.id, status="suspended")
    try:
        await take(scene)
        assert await shown(scene, bill) == [("planned", None)]
    finally:
        await scene.town.operator.set_participant_status(scene.biller.id, status="active")
    await take(scene)
    assert await shown(scene, bill) == [("paid", None)]


async def test_a_hospitals_bill_is_split_in_one_payment(scene: Scene) -> None:
    """Insurance fund and subsidy give into purses beside the wallet; the patient pays the rest."""
    funding = await funded(scene.town, scene.wallet, scene.biller, scene.payer, scene.payee)
    insurance = await funding.purse_in_the_ledger(6_000)
    subsidy = await funding.purse_in_the_ledger(1_500)
    bill = await scene.presented(amount=9_000)
    before = await balance(scene)
    paid = await scene.pay(bill, 9_000)
    assert (paid["status"], paid["amount"]) == ("completed", 9_000)
    assert before - await balance(scene) == 1_500
    found = await funding.balances(insurance, subsidy)
    assert found[1:] == (9_000, 0, 0), "the hospital has all of it, in one payment"
    assert (await scene.shown(bill))["status"] == "paid"
    assert await scene.town.operator.check_books() == []
