"""The yearly limit: what counts for a year, what comes back to it, and when a year begins."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from switch.ledger import Disposition, Statements
from switch.outcome import Outcome
from switch.upkeep import expire_holds
from tests.databases import JOBS, Database
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City, Participant
from tests.ledger.steps import decide_step

LIMIT = 1_000
NEW_YEAR = datetime(2026, 12, 31, 16, tzinfo=UTC)  # in Shanghai
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """One payer with a yearly limit, and money enough for several years."""

    city: City
    lane: Statements
    provider: Participant
    payer: UUID
    payee: UUID

    async def pay(self, amount: int, at: datetime, **fields: object) -> tuple[Outcome, UUID]:
        """Pay at this time; the ledger's outcome, which is the model's, and the payment."""
        await self.city.set_time(at)
        order = self.city.order(self.provider, self.payer, self.payee, amount, **fields)
        [decision] = await self.city.decide(self.lane, [order])
        difference = self.city.both([decision], [order], at)
        assert difference is None, difference
        assert decision.outcome is not None
        return decision.outcome, order.payment_id

    async def void(self, payment: UUID, at: datetime) -> None:
        await self.city.set_time(at)
        step = self.city.step(self.provider, "void", payment)
        [decision] = await self.city.take(self.lane, [step])
        assert decision == decide_step(self.city.ledger, step, at)
        assert decision.disposition is Disposition.DECIDED
        assert decision.outcome is Outcome.APPROVED

    async def row(self) -> tuple[int, int]:
        """What the account's row says was spent today and this year."""
        found = await self.city.admin.fetchrow(
            "SELECT spent_today, spent_this_year FROM ledger.account WHERE id = $1", self.payer
        )
        assert found is not None
        return tuple(found)


@pytest_asyncio.fixture(loop_scope="session")
async def purse(city: City, lane: Statements) -> AsyncIterator[Purse]:
    """A wallet that may spend so much a year."""
    await city.own_the_clock()
    await city.set_time(NOON)
    provider = await city.participant("wallet")
    tier = await city.tier(f"year-{city.random.randrange(10**12)}", yearly_limit=LIMIT)
    payer = await city.account(provider, "wallet", tier=tier, balance=10 * LIMIT)
    payee = await city.account(provider, "wallet")
    yield Purse(city=city, lane=lane, provider=provider, payer=payer, payee=payee)
    await city.set_ahead(timedelta())


async def test_a_year_ends_at_local_midnight(purse: Purse) -> None:
    """What is left of the old year is not of the new one, and all of the new one is there."""
    assert (await purse.pay(LIMIT, NOON))[0] is Outcome.APPROVED
    assert (await purse.pay(1, NOON + DAY))[0] is Outcome.YEARLY_LIMIT_EXCEEDED
    assert (await purse.pay(1, NEW_YEAR - MICROSECOND))[0] is Outcome.YEARLY_LIMIT_EXCEEDED
    assert (await purse.pay(LIMIT + 1, NEW_YEAR))[0] is Outcome.YEARLY_LIMIT_EXCEEDED
    assert (await purse.pay(LIMIT, NEW_YEAR))[0] is Outcome.APPROVED
    assert (await purse.pay(1, NEW_YEAR))[0] is Outcome.YEARLY_LIMIT_EXCEEDED
    assert await purse.row() == (LIMIT, LIMIT)
    await assert_books_are_right(purse.city.admin)


async def test_days_add_up_to_a_year(purse: Purse) -> None:
    """Every day counts, whichever way it was decided; each day begins with nothing spent."""
    for day in range(10):
        assert (await purse.pay(LIMIT // 10, NOON + day * DAY))[0] is Outcome.APPROVED
        assert await purse.row() == (LIMIT // 10, (day + 1) * LIMIT // 10)
    assert (await purse.pay(1, NOON + 10 * DAY))[0] is Outcome.YEARLY_LIMIT_EXCEEDED
    await assert_books_are_right(purse.city.admin)


@pytest.mark.parametrize("is_voided", [True, False], ids=["voided", "expired"])
async def test_a_hold_that_ends_later_in_the_year_gives_it_back(
    is_voided: bool, purse: Purse
) -> None:
    """The year gets it, though the day of the hold is over and gets nothing."""
    outcome, hold = await purse.pay(LIMIT, NOON, capture=False, hold_seconds=172_800)
    assert outcome is Outcome.APPROVED
    assert (await purse.pay(1, NOON + DAY))[0] is Outcome.YEARLY_LIMIT_EXCEEDED
    if is_voided:
        await purse.void(hold, NOON + DAY)
    assert (await purse.pay(LIMIT, NOON + 3 * DAY))[0] is Outcome.APPROVED
    assert await purse.row() == (LIMIT, LIMIT)
    await assert_books_are_right(purse.city.admin)


@pytest.mark.parametrize("is_voided", [True, False], ids=["voided", "expired"])
async def test_a_hold_that_ends_in_the_next_year_gives_nothing_back(
    is_voided: bool, purse: Purse, database: Database
) -> None:
    """It was counted in a year that is over; the new one is as long as it would have been."""
    before = NEW_YEAR - timedelta(seconds=30)
    _, hold = await purse.pay(LIMIT, before, capture=False, hold_seconds=60)
    at = NEW_YEAR + timedelta(seconds=10)
    assert (await purse.pay(LIMIT - 1, at))[0] is Outcome.APPROVED
    if is_voided:
        await purse.void(hold, at)
    else:
        at = NEW_YEAR + timedelta(seconds=60)
        await purse.city.set_time(at)
        jobs = await database.connect(JOBS)
        await expire_holds(jobs, 1_000)
        await jobs.close()
    assert await purse.row() == (LIMIT - 1, LIMIT - 1)
    assert (await purse.pay(2, at))[0] is Outcome.YEARLY_LIMIT_EXCEEDED
    assert (await purse.pay(1, at))[0] is Outcome.APPROVED
    await assert_books_are_right(purse.city.admin)


async def test_another_time_zone_counts_the_year_anew(
    purse: Purse, admin: asyncpg.Connection
) -> None:
    """Just after midnight in Shanghai it is still the old year in London, and then no longer."""
    await purse.pay(300, NOON)
    await purse.pay(200, NEW_YEAR)
    assert await purse.row() == (200, 200)
    try:
        await admin.execute("SELECT ledger.set_time_zone('Europe/London')")
        assert await purse.row() == (200, 500)
        await assert_books_are_right(admin)
        await purse.city.set_time(NEW_YEAR + timedelta(hours=9))
    finally:
        await admin.execute("SELECT ledger.set_time_zone('Asia/Shanghai')")
    assert await purse.row() == (200, 200)
    await assert_books_are_right(admin)
