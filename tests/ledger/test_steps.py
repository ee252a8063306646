"""Holds, captures, voids and refunds: one row an outcome, what moves, what time does to a hold."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from switch.ledger import (
    Disposition,
    Statements,
    StepOrder,
    Verdict,
    authorize_batch,
    decide_steps,
    present_payment,
)
from switch.message import Payment, Step
from switch.outcome import Outcome
from switch.queries import QUERIES
from switch.upkeep import expire_holds
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City, Participant
from tests.ledger.conftest import OpenLane
from tests.ledger.test_concurrency import deadlocks

AMOUNT = 100
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A wallet of one provider and a shop of a merchant."""

    city: City
    lane: Statements
    provider: Participant
    merchant: Participant
    stranger: Participant
    wallet: UUID
    shop: UUID

    async def pay(self, **fields: Any) -> Payment:
        """A purchase in the shop, held unless something else is said."""
        given = {"type": "purchase", "capture": False, "payee": self.shop, "amount": AMOUNT}
        given |= fields
        payee, amount = given.pop("payee"), given.pop("amount")
        order = self.city.order(self.provider, self.wallet, payee, amount, **given)
        [verdict] = await authorize_batch(self.lane, [order])
        assert isinstance(verdict.payment, Payment)
        return verdict.payment

    def step(self, parent: str, kind: Any, sender: Participant | None = None, **fields: Any) -> Any:
        """A message about a payment, by the merchant unless somebody else is named."""
        who = sender or self.merchant
        key = fields.pop("key", None) or f"step-{self.city.random.randrange(16**16):016x}"
        if kind == "capture":
            fields.setdefault("final", False)
        return StepOrder(
            participant_no=who.no,
            participant=who.id,
            key=key,
            digest=hashlib.sha256(repr((kind, fields)).encode()).digest(),
            payment_id=self.city.new_id(),
            type=kind,
            parent=UUID(parent),
            **fields,
        )

    async def take(self, *orders: StepOrder) -> list[Verdict]:
        """Have steps decided in one batch."""
        return await decide_steps(self.lane, orders)

    async def taken(self, parent: str, kind: Any, **fields: Any) -> Step:
        """Have one step decided."""
        [verdict] = await self.take(self.step(parent, kind, **fields))
        assert isinstance(verdict.payment, Step)
        return verdict.payment

    async def now(self, payment: str) -> Payment:
        """What became of a payment."""
        [row] = await self.lane.connection.fetch(QUERIES["read_payments"], None, [UUID(payment)])
        found = present_payment(row)
        assert isinstance(found, Payment)
        return found

    async def account(self, account: UUID) -> tuple[int, int]:
        """Balance, waiting credits included, and what is held."""
        row = await self.city.admin.fetchrow(
            "SELECT balance, held FROM ledger.account_now WHERE id = $1", account
        )
        assert row is not None
        return row["balance"], row["held"]


@pytest_asyncio.fixture(loop_scope="session")
async def stage(city: City, lane: Statements) -> Stage:
    """A clock that stands still, and money in the wallet for ten payments."""
    return await set_up(city, lane, balance=10 * AMOUNT)


async def set_up(city: City, lane: Statements, *, balance: int) -> Stage:
    """A wallet, a shop and a stranger, at noon."""
    await city.own_the_clock()
    await city.set_time(NOON)
    provider = await city.participant("wallet")
    merchant = await city.participant("merchant")
    return Stage(
        city=city,
        lane=lane,
        provider=provider,
        merchant=merchant,
        stranger=await city.participant("wallet"),
        wallet=await city.account(provider, "wallet", balance=balance),
        shop=await city.account(merchant, "merchant"),
    )


# One row an outcome that only steps can have: what is done first, and the step that then gets it.
async def _payment_not_found(stage: Stage) -> StepOrder:
    payment = await stage.pay()
    return stage.step(payment.id, "capture", stage.stranger)


async def _wrong_state(stage: Stage) -> StepOrder:
    payment = await stage.pay(capture=True)
    return stage.step(payment.id, "capture")


async def _hold_expired(stage: Stage) -> StepOrder:
    payment = await stage.pay(hold_seconds=3600)
    await stage.city.set_time(NOON + HOUR)
    return stage.step(payment.id, "capture")


async def _exceeds_held(stage: Stage) -> StepOrder:
    payment = await stage.pay()
    await stage.taken(payment.id, "capture", amount=1)
    return stage.step(payment.id, "capture", amount=AMOUNT)


async def _exceeds_captured(stage: Stage) -> StepOrder:
    payment = await stage.pay()
    await stage.taken(payment.id, "capture", amount=AMOUNT - 1)
    return stage.step(payment.id, "refund", amount=AMOUNT)


ROWS = {
    Outcome.PAYMENT_NOT_FOUND: _payment_not_found,
    Outcome.WRONG_STATE: _wrong_state,
    Outcome.HOLD_EXPIRED: _hold_expired,
    Outcome.EXCEEDS_HELD: _exceeds_held,
    Outcome.EXCEEDS_CAPTURED: _exceeds_captured,
}


@pytest.mark.parametrize("outcome", ROWS, ids=lambda outcome: outcome.wire)
async def test_outcome_of_a_step(outcome: Outcome, stage: Stage) -> None:
    """Each outcome is given for real, stored, and changes nothing."""
    order = await ROWS[outcome](stage)
    before = [await stage.account(one) for one in (stage.wallet, stage.shop)]
    [verdict] = await stage.take(order)
    assert isinstance(verdict.payment, Step)
    assert (verdict.payment.status, verdict.payment.reason) == ("declined", outcome.wire)
    assert [await stage.account(one) for one in (stage.wallet, stage.shop)] == before
    await assert_books_are_right(stage.city.admin)


async def test_a_hold_keeps_the_money_and_a_capture_moves_it(stage: Stage) -> None:
    """What is held cannot be spent; captured in parts, the last part releases the rest."""
    payment = await stage.pay(amount=10 * AMOUNT)
    assert (payment.status, payment.amount_held) == ("held", 10 * AMOUNT)
    assert await stage.account(stage.wallet) == (10 * AMOUNT, 10 * AMOUNT)
    assert (await stage.pay(capture=True, amount=1)).reason == "insufficient_funds"
    first = await stage.taken(payment.id, "capture", amount=3 * AMOUNT)
    assert (first.status, first.amount, first.payer) == ("completed", 300, str(stage.wallet))
    assert (await stage.now(payment.id)).status == "partially_captured"
    await stage.taken(payment.id, "capture", amount=AMOUNT, final=True)
    now = await stage.now(payment.id)
    assert (now.status, now.amount_captured, now.amount_voided) == ("captured", 400, 600)
    assert await stage.account(stage.wallet) == (600, 0)
    assert await stage.account(stage.shop) == (400, 0)
    await assert_books_are_right(stage.city.admin)


async def test_captures_of_one_payer_in_one_batch_are_all_taken(stage: Stage) -> None:
    """Each a posting of its own; of those of one payment the later finds what the first left."""
    payments = [await stage.pay() for _ in range(3)]
    first, *others = [stage.step(payment.id, "capture", amount=60) for payment in payments]
    again = stage.step(payments[0].id, "capture", amount=60)
    verdicts = await stage.take(first, again, *others)
    reasons = [verdict.payment.reason for verdict in verdicts if verdict.payment is not None]
    assert reasons == [None, "exceeds_held", None, None]
    assert [(await stage.now(payment.id)).amount_captured for payment in payments] == [60] * 3
    assert await stage.account(stage.wallet) == (820, 120)
    assert await stage.account(stage.shop) == (180, 0)
    await assert_books_are_right(stage.city.admin)


async def test_steps_of_one_payment_keep_their_order_in_a_batch(stage: Stage) -> None:
    """What is voided first is not captured after it, beside a capture that nothing precedes."""
    payment, other = await stage.pay(), await stage.pay()
    verdicts = await stage.take(
        stage.step(payment.id, "void"),
        stage.step(other.id, "capture"),
        stage.step(payment.id, "capture"),
    )
    reasons = [verdict.payment.reason for verdict in verdicts if verdict.payment is not None]
    assert reasons == [None, None, "wrong_state"]
    assert await stage.account(stage.wallet) == (900, 0)
    await assert_books_are_right(stage.city.admin)


async def test_a_void_gives_back_the_money_and_the_day(stage: Stage) -> None:
    """What a hold counted for the day's limit is free again when it is voided on that day."""
    tier = await stage.city.tier("short", daily_limit=AMOUNT)
    await stage.city.set_tier(stage.wallet, tier)
    payment = await stage.pay()
    assert (await stage.pay()).reason == "daily_limit_exceeded"
    assert (await stage.taken(payment.id, "void")).amount == AMOUNT
    assert (await stage.now(payment.id)).status == "voided"
    assert (await stage.pay()).status == "held"
    await assert_books_are_right(stage.city.admin)


async def test_a_hold_past_its_time_is_expired_before_anybody_posts_it(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """Its money and its share of the day can be spent by the next payment; no job is needed."""
    tier = await stage.city.tier("tight", daily_limit=10 * AMOUNT)
    await stage.city.set_tier(stage.wallet, tier)
    payment = await stage.pay(amount=10 * AMOUNT, hold_seconds=60)
    await stage.city.set_time(NOON + timedelta(seconds=60))
    assert (await stage.now(payment.id)).status == "expired"
    assert (await stage.pay(capture=True, amount=10 * AMOUNT)).status == "completed"
    assert (await stage.now(payment.id)).status == "expired"
    assert await expire_holds(jobs, 10) == 0
    await assert_books_are_right(stage.city.admin)


async def test_the_job_posts_what_expired(stage: Stage, jobs: asyncpg.Connection) -> None:
    """Without any payment of the payer, the money is his again."""
    payment = await stage.pay(hold_seconds=60)
    assert await expire_holds(jobs, 10) == 0
    await stage.city.set_time(NOON + HOUR)
    assert await expire_holds(jobs, 10) >= 1
    assert await stage.account(stage.wallet) == (10 * AMOUNT, 0)
    assert (await stage.now(payment.id)).amount_voided == 0
    await assert_books_are_right(stage.city.admin)


async def test_refunds_go_back_to_the_payer_up_to_what_was_captured(stage: Stage) -> None:
    """In parts, out of what the payee has, also from money that waits to be added up."""
    payment = await stage.pay(capture=True)
    first = await stage.taken(payment.id, "refund", amount=40)
    assert (first.payer, first.payee) == (str(stage.shop), str(stage.wallet))
    assert (await stage.now(payment.id)).status == "partially_refunded"
    second = await stage.taken(payment.id, "refund")
    assert second.amount == 60
    assert (await stage.now(payment.id)).status == "refunded"
    assert (await stage.taken(payment.id, "refund", amount=1)).reason == "wrong_state"
    assert await stage.account(stage.wallet) == (10 * AMOUNT, 0)
    await assert_books_are_right(stage.city.admin)


async def test_a_refund_needs_money_of_the_payee(stage: Stage) -> None:
    """Who has spent what he was paid cannot pay it back."""
    payment = await stage.pay(capture=True)
    spent = stage.city.order(stage.merchant, stage.shop, stage.wallet, 1, type="transfer")
    await authorize_batch(stage.lane, [spent])
    assert (await stage.taken(payment.id, "refund")).reason == "insufficient_funds"
    assert (await stage.taken(payment.id, "refund", amount=AMOUNT - 1)).status == "completed"


async def test_a_freeze_of_the_payer_takes_no_hold_back(stage: Stage) -> None:
    """The payer's side cannot break the promise: not by a freeze, nor by a void of a purchase."""
    payment = await stage.pay()
    await stage.city.change(stage.wallet, "freeze")
    void = await stage.taken(payment.id, "void", sender=stage.provider)
    assert void.reason == "not_permitted"
    assert (await stage.taken(payment.id, "capture")).status == "completed"
    assert (await stage.taken(payment.id, "refund")).status == "completed"


async def test_the_payer_ends_its_own_held_transfer(stage: Stage) -> None:
    """A held transfer is captured or voided by the payer's participant, as by the payee's."""
    other = await stage.city.account(stage.stranger, "wallet")
    payment = await stage.pay(type="transfer", payee=other)
    first = await stage.taken(payment.id, "capture", sender=stage.provider, amount=1)
    assert first.status == "completed"
    void = await stage.taken(payment.id, "void", sender=stage.provider)
    assert (void.status, void.amount) == ("completed", AMOUNT - 1)


async def test_a_step_is_decided_once(stage: Stage) -> None:
    """The same message again is the same decision; about another payment, the key is spent."""
    payment, other = await stage.pay(), await stage.pay()
    order = stage.step(payment.id, "capture", key="once", amount=10)
    [first, twin] = await stage.take(
        order, stage.step(payment.id, "capture", key="once", amount=10)
    )
    assert (first.disposition, twin.disposition) == (Disposition.DECIDED, Disposition.REPEATED)
    assert twin.payment == first.payment
    for changed in (
        stage.step(other.id, "capture", key="once", amount=10),
        stage.step(payment.id, "capture", key="once", amount=11),
        stage.step(payment.id, "refund", key="once", amount=10),
    ):
        [verdict] = await stage.take(changed)
        assert verdict.disposition is Disposition.KEY_REUSED
    assert (await stage.now(payment.id)).amount_captured == 10


async def test_a_capture_is_held_against_the_payee_s_balance_limit(stage: Stage) -> None:
    """Money that a full wallet may not have stays held."""
    tier = await stage.city.tier("full", balance_limit=AMOUNT - 1)
    other = await stage.city.account(stage.stranger, "wallet", tier=tier)
    payment = await stage.pay(type="transfer", payee=other)
    step = await stage.taken(payment.id, "capture", sender=stage.stranger)
    assert step.reason == "payee_balance_limit_exceeded"
    assert (await stage.now(payment.id)).status == "held"


async def test_nothing_is_captured_for_a_payee_that_is_closing(stage: Stage) -> None:
    """The money stays held until the hold ends."""
    payment = await stage.pay()
    await stage.city.change(stage.shop, "close")
    assert (await stage.taken(payment.id, "capture")).reason == "payee_closed"
    assert await stage.account(stage.wallet) == (1000, AMOUNT)


async def test_a_reversal_takes_back_what_was_not_refunded(stage: Stage) -> None:
    """The operator's reversal counts as a refund: together they never exceed what was captured."""
    payment = await stage.pay(capture=True)
    await stage.taken(payment.id, "refund", amount=30)
    reversal = stage.city.new_id()
    outcome = await stage.city.admin.fetchval(
        "SELECT ledger.reverse_payment($1, $2, 'mistake')", reversal, UUID(payment.id)
    )
    assert outcome == "approved"
    assert await stage.account(stage.wallet) == (10 * AMOUNT, 0)
    assert (await stage.now(payment.id)).status == "refunded"
    assert (await stage.taken(payment.id, "refund", amount=1)).reason == "wrong_state"
    await assert_books_are_right(stage.city.admin)


async def test_captures_and_refunds_of_the_same_payments_never_deadlock(
    stage: Stage, open_lane: OpenLane
) -> None:
    """Two batches over the same holds, each with other accounts and in the other's order."""
    other = await open_lane()
    stages = [stage, replace(stage, shop=await stage.city.account(stage.merchant, "merchant"))]
    stages[1] = replace(
        stages[1], wallet=await stage.city.account(stage.provider, "wallet", balance=AMOUNT)
    )
    before = await deadlocks(stage.city.admin)
    held = [await one.pay() for one in stages]
    for payment in held:
        await stage.taken(payment.id, "capture", amount=AMOUNT // 2)
    for _ in range(AMOUNT // 2):
        batches = [
            [stage.step(first.id, "capture", amount=1), stage.step(second.id, "refund", amount=1)]
            for first, second in (held, held[::-1])
        ]
        verdicts = await asyncio.gather(
            decide_steps(stage.lane, batches[0]), decide_steps(other, batches[1])
        )
        assert {one.payment.status for batch in verdicts for one in batch} == {"completed"}
    assert await deadlocks(stage.city.admin) == before
    await assert_books_are_right(stage.city.admin)


async def test_a_barred_key_is_never_decided(stage: Stage) -> None:
    """Whatever is sent under it later gets the bar for an answer, and nothing moves."""
    city = stage.city
    key = f"bar-{city.random.randrange(16**12):x}"
    row = await stage.lane.connection.fetchrow(
        QUERIES["bar_key"], stage.provider.no, key, b"b" * 32, city.new_id(), None, None, None
    )
    assert row is not None
    assert row["disposition"] == 0
    order = city.order(stage.provider, stage.wallet, stage.shop, 1, type="purchase", key=key)
    step = stage.step(str(city.new_id()), "refund", stage.provider, key=key)
    [paid] = await authorize_batch(stage.lane, [order])
    [stepped] = await stage.take(step)
    for verdict in (paid, stepped):
        assert verdict.disposition is Disposition.REPEATED
        assert isinstance(verdict.payment, Payment)
        assert verdict.payment.reason == "barred"
        assert verdict.payment.payer is None
    assert await stage.account(stage.wallet) == (10 * AMOUNT, 0)
    await assert_books_are_right(city.admin)
