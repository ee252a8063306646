"""Refunds to accounts that a bank holds: pending until it takes the money, never more than was
captured; and the other steps and keys of what waits for a bank.
"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from switch.ledger import Disposition, Order, StepOrder, authorize_batch, decide_steps
from switch.message import Payment, Step
from switch.queries import QUERIES
from tests.databases import WORKER, Database
from tests.ledger.banking import AUTHORIZATION, CREDIT, Bank, Banking, Side
from tests.ledger.city import NOON
from tests.ledger.conftest import OpenLane

AMOUNT = 100
BLOCKERS = "SELECT cardinality(pg_blocking_pids($1))"


async def paid(banking: Banking, bank: Bank, shop: UUID, amount: int = AMOUNT) -> Payment | Step:
    """A purchase that the bank approved, added up."""
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, shop, amount))
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    await banking.fold()
    return await banking.now(pending)


def refund(banking: Banking, side: Side, payment: Payment | Step, amount: int | None) -> StepOrder:
    """A refund by whoever was paid."""
    return banking.city.step(side[0], "refund", UUID(payment.id), amount=amount)


async def test_a_refund_to_a_bank_is_reserved_and_then_moved(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """Pending: held at the shop and shown nowhere else; accepted: back at the bank's position."""
    payment = await paid(banking, bank, merchant[1])
    order = refund(banking, merchant, payment, 30)
    step = await banking.send(order)
    assert (step.status, step.amount) == ("pending", 30)
    assert await banking.account(merchant[1]) == (AMOUNT, 30)
    assert (await banking.now(payment)).amount_refunded == 0
    ((_, call),) = (await banking.start()).items()
    assert (call["kind"], call["type"], str(call["parent"])) == (CREDIT, "refund", payment.id)
    assert call["account"] == bank.customer
    await banking.answer(step, CREDIT, "accepted")
    assert (await banking.send(order)).status == "completed"
    assert await banking.account(merchant[1]) == (AMOUNT - 30, 0)
    assert await banking.account(bank.position) == (30 - AMOUNT, 0)
    now = await banking.now(payment)
    assert isinstance(now, Payment)
    assert (now.status, now.amount_refunded) == ("partially_refunded", 30)
    told = [one for one in await banking.told() if one[1] == step.id]
    assert told == sorted([(bank.holder.id, step.id, 1), (merchant[0].id, step.id, 1)])


async def test_a_refund_that_the_bank_refuses_changes_nothing(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """Declined, the shop has its money again, and all of it can still be refunded."""
    payment = await paid(banking, bank, merchant[1])
    order = refund(banking, merchant, payment, None)
    step = await banking.send(order)
    await banking.start()
    await banking.answer(step, CREDIT, "refused")
    assert (await banking.send(order)).reason == "issuer_declined"
    assert await banking.account(merchant[1]) == (AMOUNT, 0)
    assert (await banking.now(payment)).status == "completed"
    assert not await banking.start(), "there is nothing to reverse at the bank"
    assert (await banking.send(refund(banking, merchant, payment, None))).amount == AMOUNT


async def test_refunds_that_wait_count_against_the_cap(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """Together never more than was captured, however many wait; what is refused is free again."""
    payment = await paid(banking, bank, merchant[1])
    first = await banking.send(refund(banking, merchant, payment, 60))
    over = await banking.send(refund(banking, merchant, payment, 41))
    assert over.reason == "exceeds_captured"
    second = await banking.send(refund(banking, merchant, payment, 40))
    assert (first.status, second.status) == ("pending", "pending")
    none = await banking.send(refund(banking, merchant, payment, None))
    assert none.reason == "wrong_state"
    await banking.start()
    await banking.answer(second, CREDIT, "refused")
    rest = await banking.send(refund(banking, merchant, payment, None))
    assert (rest.status, rest.amount) == ("pending", 40)
    await banking.start()
    for step in (rest, first):
        await banking.answer(step, CREDIT, "accepted")
    assert (await banking.now(payment)).status == "refunded"
    assert await banking.account(bank.position) == (0, 0)


async def test_refunds_of_two_lanes_at_once(
    banking: Banking, bank: Bank, merchant: Side, open_lane: OpenLane
) -> None:
    """Ten of a fifth each, on two connections: five are accepted, whichever."""
    payment = await paid(banking, bank, merchant[1])
    lanes = [await open_lane() for _ in range(2)]
    dispositions = []
    for _ in range(5):
        sent = [decide_steps(lane, [refund(banking, merchant, payment, 20)]) for lane in lanes]
        for (verdict,) in await asyncio.gather(*sent):
            dispositions.append(verdict.disposition)
    assert dispositions.count(Disposition.PENDING) == 5
    assert await banking.account(merchant[1]) == (AMOUNT, AMOUNT)


async def test_a_merchant_that_closes_while_its_refund_waits(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """The bank's word stands: the money arrives there, and only then the account can end."""
    payment = await paid(banking, bank, merchant[1])
    step = await banking.send(refund(banking, merchant, payment, None))
    await banking.start()
    await banking.city.change(merchant[1], "close")
    assert not await banking.is_closed(merchant[1])
    await banking.answer(step, CREDIT, "accepted")
    assert (await banking.now(step)).status == "completed"
    assert await banking.is_closed(merchant[1])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("SELECT ledger.set_participant_status($1, 'suspended')", "issuer_unavailable"),
        ("SELECT ledger.set_participant($1, NULL, '')", "issuer_unavailable"),
        (
            "SELECT ledger.operator_change_account(a.id, 'close') FROM ledger.account a"
            " JOIN ledger.participant p USING (participant_no)"
            " WHERE p.id = $1 AND a.kind = 'position'",
            "issuer_unavailable",
        ),
        (
            "SELECT ledger.operator_change_account(a.id, 'close') FROM ledger.account a"
            " JOIN ledger.participant p USING (participant_no)"
            " WHERE p.id = $1 AND a.kind = 'external'",
            "payee_closed",
        ),
    ],
)
async def test_a_refund_to_a_bank_that_cannot_take_it(
    banking: Banking, bank: Bank, merchant: Side, spoil: str, reason: str
) -> None:
    """Declined at once, and nothing is reserved."""
    payment = await paid(banking, bank, merchant[1])
    await banking.admin.execute(spoil, bank.holder.id)
    step = await banking.send(refund(banking, merchant, payment, None))
    assert (step.status, step.reason) == ("declined", reason)
    assert await banking.account(merchant[1]) == (AMOUNT, 0)


async def test_a_refund_is_paid_from_what_the_merchant_has(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """What is reserved for one refund cannot pay another, nor anybody else."""
    payment = await paid(banking, bank, merchant[1])
    _, wallet = await banking.wallet(0)
    gone = await banking.send(banking.city.order(merchant[0], merchant[1], wallet, 50))
    assert gone.status == "completed"
    assert (await banking.send(refund(banking, merchant, payment, 50))).status == "pending"
    assert (await banking.send(refund(banking, merchant, payment, 50))).reason == (
        "insufficient_funds"
    )
    again = await banking.send(banking.city.order(merchant[0], merchant[1], wallet, 1))
    assert again.reason == "insufficient_funds"


# --- steps and keys of what waits -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["capture", "void", "refund"])
async def test_what_is_pending_has_no_steps(
    banking: Banking, bank: Bank, merchant: Side, kind: Any
) -> None:
    """A payment that is not decided, and a refund that waits: `wrong_state`, for a hold too."""
    for fields in ({}, {"capture": False, "hold_seconds": 60}):
        pending = await banking.send(
            banking.city.order(bank.holder, bank.customer, merchant[1], 1, **fields)
        )
        await banking.start()
        step = await banking.send(banking.city.step(merchant[0], kind, UUID(pending.id)))
        assert (step.status, step.reason) == ("declined", "wrong_state")
    payment = await paid(banking, bank, merchant[1])
    waiting = await banking.send(refund(banking, merchant, payment, 1))
    sender = bank.holder if kind == "refund" else merchant[0]
    of_step = await banking.send(banking.city.step(sender, kind, UUID(waiting.id)))
    assert of_step.status == "declined"
    assert of_step.reason in ("wrong_state", "not_permitted")


async def test_a_payment_that_is_decided_while_its_step_waits(
    banking: Banking, bank: Bank, merchant: Side, database: Database
) -> None:
    """A step of it changes no account that was not locked in its turn: the whole begins anew."""
    payment = await paid(banking, bank, merchant[1])
    other = await banking.city.account(merchant[0], "merchant")
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, other, 5))
    await banking.start()
    worker = await database.connect(WORKER)
    ids = [banking.city.new_id() for _ in range(2)]
    async with banking.admin.transaction():
        await banking.admin.execute(
            "SELECT FROM ledger.account WHERE id = $1 FOR UPDATE", merchant[1]
        )
        deciding = asyncio.create_task(
            worker.fetch(
                QUERIES["decide_steps"], 0, [merchant[0].no] * 2, [str(one) for one in ids],
                [b"x" * 32] * 2, ids, [13, 13], [UUID(payment.id), UUID(pending.id)], [5, 5],
                [False, False], None, None, None, None,
            )
        )  # fmt: skip
        await blocked(banking.admin, worker.get_server_pid())
        await banking.answer(pending, AUTHORIZATION, "approved")
    with pytest.raises(asyncpg.SerializationError, match="decided meanwhile"):
        await deciding
    await worker.close()
    assert await banking.account(merchant[1]) == (AMOUNT, 0)
    assert await banking.account(other) == (5, 0)


async def blocked(admin: asyncpg.Connection, pid: int) -> None:
    """Return when another backend waits for a lock."""
    async with asyncio.timeout(30):
        while not await admin.fetchval(BLOCKERS, pid):  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)


async def test_a_key_is_spent_while_its_message_waits(
    banking: Banking, bank: Bank, merchant: Side, open_lane: OpenLane
) -> None:
    """The same message meets it, in a batch of its own or beside its twin; another is refused."""
    lane = await open_lane()
    order = banking.city.order(bank.holder, bank.customer, merchant[1], 5)
    twin = replace(order, payment_id=banking.city.new_id())
    first, second = await authorize_batch(lane, [order, twin])
    assert (first.disposition, second.disposition) == (Disposition.PENDING, Disposition.REPEATED)
    assert first.payment == second.payment
    changed = replace(order, payment_id=banking.city.new_id(), digest=b"x" * 32)
    (other,) = await authorize_batch(lane, [changed])
    assert other.disposition is Disposition.KEY_REUSED
    row = await lane.connection.fetchrow(
        QUERIES["bar_key"], order.participant_no, order.key, b"y" * 32, banking.city.new_id(),
        None, None, None,
    )  # fmt: skip
    assert row is not None
    assert (row["disposition"], row["subject"]) == (1, order.payment_id)


async def test_a_step_that_waits_keeps_its_key_for_its_parent(
    banking: Banking, bank: Bank, merchant: Side, open_lane: OpenLane
) -> None:
    """The same bytes about another payment, or another step, are another message."""
    lane = await open_lane()
    one = await paid(banking, bank, merchant[1])
    two = await paid(banking, bank, merchant[1])
    order = refund(banking, merchant, one, 5)
    (first,) = await decide_steps(lane, [order])
    assert first.disposition is Disposition.PENDING

    async def again(**changes: Any) -> Disposition:
        (verdict,) = await decide_steps(
            lane, [replace(order, payment_id=banking.city.new_id(), **changes)]
        )
        return verdict.disposition

    assert await again() is Disposition.REPEATED
    assert await again(parent=UUID(two.id)) is Disposition.KEY_REUSED
    assert await again(type="void") is Disposition.KEY_REUSED
    await banking.start()
    assert first.payment is not None
    await banking.answer(first.payment, CREDIT, "accepted")
    assert await again() is Disposition.REPEATED
    assert await again(parent=UUID(two.id)) is Disposition.KEY_REUSED


async def test_a_hold_at_a_bank_is_refunded_by_way_of_it(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """What was captured of it, less what waits, and no more; its position keeps the rest."""
    hold: Order = banking.city.order(
        bank.holder, bank.customer, merchant[1], AMOUNT, capture=False, hold_seconds=600
    )
    pending = await banking.send(hold)
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    await banking.send(banking.city.step(merchant[0], "capture", UUID(pending.id), amount=60))
    await banking.fold()
    step = await banking.send(refund(banking, merchant, pending, 50))
    over = await banking.send(refund(banking, merchant, pending, 11))
    assert (step.status, over.reason) == ("pending", "exceeds_captured")
    await banking.start()
    await banking.city.set_time(NOON + timedelta(seconds=600))
    await banking.answer(step, CREDIT, "accepted")
    now = await banking.now(pending)
    assert isinstance(now, Payment)
    assert (now.status, now.amount_captured, now.amount_refunded) == (
        "partially_refunded", 60, 50,
    )  # fmt: skip
    assert (await banking.account(bank.position))[0] == -10
