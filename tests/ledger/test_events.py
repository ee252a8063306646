"""The feeds: everything told once, numbered without gaps, causes before effects, never changed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest_asyncio
from asyncpg.transaction import Transaction

from switch.ledger import Statements, authorize_batch, decide_steps
from switch.queries import QUERIES
from switch.upkeep import event_lag_s, expire_holds, prune_events, sequence_events
from tests.databases import Database
from tests.ledger.city import NOON, City
from tests.ledger.test_steps import Stage

READ_EVENTS = "SELECT * FROM ledger.read_events($1, $2, $3)"
DECIDED, EXPIRED = 1, 2
IN_TIME_S = 30


@pytest_asyncio.fixture(loop_scope="session")
async def stage(city: City, lane: Statements) -> Stage:
    """A wallet with money and a shop, of two participants."""
    await city.own_the_clock()
    await city.set_time(NOON)
    provider, merchant = await city.participant("wallet"), await city.participant("merchant")
    return Stage(
        city=city,
        lane=lane,
        provider=provider,
        merchant=merchant,
        stranger=await city.participant("wallet"),
        wallet=await city.account(provider, "wallet", balance=10**6),
        shop=await city.account(merchant, "merchant"),
    )


async def sequenced(jobs: asyncpg.Connection, limit: int = 1000) -> None:
    """Let everything in the outbox have its number."""
    while await sequence_events(jobs, limit):
        pass


async def feed(
    stage: Stage, participant_no: int, connection: asyncpg.Connection | None = None
) -> list[tuple[int, int, UUID]]:
    """A participant's events, read in small pages, by a worker unless told."""
    reader = connection or stage.lane.connection
    found: list[tuple[int, int, UUID]] = []
    after = 0
    while True:
        rows = await reader.fetch(READ_EVENTS, participant_no, after, 3)
        if not rows:
            return found
        found += [(row["no"], row["kind"], row["subject"]) for row in rows]
        after = rows[-1]["no"]


async def test_the_lag_is_the_age_of_the_oldest_event_without_a_number(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """By the ledger's own clock; nothing once all have theirs."""
    await sequenced(jobs)
    assert await event_lag_s(jobs) == 0
    await stage.pay()
    await stage.city.set_time(NOON + timedelta(seconds=30))
    await stage.pay()
    await stage.city.set_time(NOON + timedelta(seconds=40))
    assert await event_lag_s(jobs) == 40
    await sequenced(jobs)
    assert await event_lag_s(jobs) == 0


async def test_both_sides_are_told_of_a_payment_and_its_steps(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """Payer's and payee's participants, each in its own feed, in the order it happened."""
    held = await stage.pay()
    capture = await stage.taken(held.id, "capture", amount=60)
    void = await stage.taken(held.id, "void")
    refund = await stage.taken(held.id, "refund")
    assert (await stage.taken(held.id, "refund")).status == "declined"
    await sequenced(jobs)
    merchant = await feed(stage, stage.merchant.no)
    ids = [UUID(one.id) for one in (held, capture, void, refund)]
    assert merchant == [(no, DECIDED, found) for no, found in enumerate(ids, 1)]
    provider = await feed(stage, stage.provider.no)
    assert [subject for _, _, subject in provider][1:] == ids, "the first is the money issued"
    assert await feed(stage, stage.stranger.no) == []
    assert await feed(stage, 0) == []


async def test_the_order_is_that_of_what_happened_not_of_the_ids(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """A step whose message came to a worker with a slow clock stands behind its payment."""
    held = await stage.pay()
    order = stage.step(held.id, "capture")
    early = UUID(int=order.payment_id.int - (3_600_000 << 80))
    await stage.take(msgspec.structs.replace(order, payment_id=early))
    await sequenced(jobs)
    told = [subject for _, _, subject in await feed(stage, stage.merchant.no)]
    assert told == [UUID(held.id), early]


async def test_a_payment_within_one_participant_is_told_once(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """Who holds both accounts has one event of it."""
    other = await stage.city.account(stage.provider, "wallet")
    payment = await stage.pay(type="transfer", payee=other, capture=True)
    await sequenced(jobs)
    told = [subject for _, _, subject in await feed(stage, stage.provider.no)]
    assert told.count(UUID(payment.id)) == 1


async def test_an_expiry_is_told_when_it_is_posted(stage: Stage, jobs: asyncpg.Connection) -> None:
    """By the job, or by a payment that needs the money: once."""
    payment = await stage.pay(hold_seconds=60)
    await stage.city.set_time(NOON + timedelta(hours=1))
    assert (await stage.pay(capture=True, amount=10**6)).status == "completed"
    await expire_holds(jobs, 100)
    await sequenced(jobs)
    told = [(kind, subject) for _, kind, subject in await feed(stage, stage.merchant.no)]
    assert told.count((EXPIRED, UUID(payment.id))) == 1


@pytest_asyncio.fixture(loop_scope="session")
async def hold_back(
    database: Database,
) -> AsyncIterator[Callable[[UUID], Awaitable[Transaction]]]:
    """Holds an account, and says when somebody waits for it; ends the holding when rolled back."""
    blocker = await database.connect()

    async def hold(account: UUID) -> Transaction:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM ledger.account WHERE id = $1 FOR NO KEY UPDATE", account)
        return transaction

    yield hold
    await blocker.close()


async def _waiting(admin: asyncpg.Connection) -> None:
    """Until a transaction waits for a lock."""
    async with asyncio.timeout(IN_TIME_S):
        while not await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await admin.execute("SELECT pg_sleep(0.01)")


async def test_a_refund_stands_behind_the_capture_that_it_waited_for(
    stage: Stage, jobs: asyncpg.Connection, admin: asyncpg.Connection,
    open_lane: Callable[[], Awaitable[Statements]],
    hold_back: Callable[[UUID], Awaitable[Transaction]],
) -> None:  # fmt: skip
    """Though its transaction is the older one: it began first and had to wait for its account."""
    city = stage.city
    await city.issue(stage.shop, 100)
    hold = city.order(stage.provider, stage.wallet, stage.shop, 100, type="purchase", capture=False)
    [held] = await authorize_batch(stage.lane, [hold])
    assert held.payment is not None
    other = await open_lane()
    blocking = await hold_back(stage.shop)
    refund = stage.step(held.payment.id, "refund", amount=40)
    refunding = asyncio.create_task(decide_steps(other, [refund]))
    await _waiting(admin)
    [captured] = await stage.take(stage.step(held.payment.id, "capture"))
    await blocking.rollback()
    [refunded] = await refunding
    assert captured.payment is not None
    assert refunded.payment is not None
    assert refunded.payment.status == "completed"
    await sequenced(jobs)
    told = [subject for _, _, subject in await feed(stage, stage.merchant.no)]
    assert told[-3:] == [UUID(one.payment.id) for one in (held, captured, refunded) if one.payment]


async def test_what_is_spent_stands_behind_the_credit_that_it_waited_for(
    stage: Stage, jobs: asyncpg.Connection, admin: asyncpg.Connection,
    open_lane: Callable[[], Awaitable[Statements]],
    hold_back: Callable[[UUID], Awaitable[Transaction]],
) -> None:  # fmt: skip
    """Whoever adds a feed up never goes below zero."""
    city = stage.city
    poor = await city.account(stage.provider, "wallet")
    other = await open_lane()
    blocking = await hold_back(poor)
    spend = city.order(stage.provider, poor, stage.shop, 70, type="purchase")
    spending = asyncio.create_task(authorize_batch(other, [spend]))
    await _waiting(admin)
    [credited] = await authorize_batch(
        stage.lane, [city.order(stage.provider, stage.wallet, poor, 70)]
    )
    await blocking.rollback()
    [spent] = await spending
    assert credited.payment is not None
    assert spent.payment is not None
    assert spent.payment.status == "completed"
    await sequenced(jobs)
    told = [subject for _, _, subject in await feed(stage, stage.provider.no)]
    assert told[-2:] == [UUID(credited.payment.id), UUID(spent.payment.id)]


async def test_many_writers_and_two_sequencers_tell_everything_once(
    stage: Stage, jobs: asyncpg.Connection, open_lane: Callable[[], Awaitable[Statements]],
    database: Database,
) -> None:  # fmt: skip
    """No gap, no event twice, what was read never changes, each hold before its capture."""
    lanes = [stage.lane, await open_lane(), await open_lane()]
    second = await database.connect("switch_jobs_login")
    seen: dict[int, UUID] = {}
    decided: list[UUID] = []
    done = asyncio.Event()

    async def write() -> None:
        lane = stage.lane
        for _ in range(15):
            orders = [
                stage.city.order(
                    stage.provider, stage.wallet, stage.shop, 1, type="purchase", capture=False
                )
                for _ in range(4)
            ]
            for verdict in await authorize_batch(lane, orders):
                assert verdict.payment is not None
                decided.append(UUID(verdict.payment.id))
            step = await stage.take(stage.step(verdict.payment.id, "capture"))
            assert step[0].payment is not None
            decided.append(UUID(step[0].payment.id))

    async def sequence(connection: asyncpg.Connection) -> None:
        while not done.is_set():
            await sequence_events(connection, 7)

    async def read() -> None:
        while not done.is_set():
            note(await feed(stage, stage.merchant.no, stage.city.admin))
            await asyncio.sleep(0.01)

    def note(events: list[tuple[int, int, UUID]]) -> None:
        for no, _, subject in events:
            assert seen.setdefault(no, subject) == subject, "an event changed"

    others = [asyncio.create_task(work) for work in (sequence(jobs), sequence(second), read())]
    paying = [_pay_only(stage, lane, decided) for lane in lanes[1:]]
    await asyncio.gather(write(), *paying)
    done.set()
    await asyncio.gather(*others)
    await second.close()
    await sequenced(jobs)
    events = await feed(stage, stage.merchant.no)
    note(events)
    assert [no for no, _, _ in events] == list(range(1, len(decided) + 1))
    assert sorted(subject for _, _, subject in events) == sorted(decided)
    await _assert_causes_come_first(stage, [subject for _, _, subject in events])


async def _pay_only(stage: Stage, lane: Statements, decided: list[UUID]) -> None:
    for _ in range(30):
        order = stage.city.order(stage.provider, stage.wallet, stage.shop, 1, type="purchase")
        [verdict] = await authorize_batch(lane, [order])
        assert verdict.payment is not None
        decided.append(UUID(verdict.payment.id))


async def _assert_causes_come_first(stage: Stage, subjects: list[UUID]) -> None:
    place = {subject: at for at, subject in enumerate(subjects)}
    rows: list[Any] = await stage.city.admin.fetch(
        "SELECT id, parent FROM ledger.payment WHERE parent IS NOT NULL AND id = ANY ($1)", subjects
    )
    assert rows
    assert all(place[row["parent"]] < place[row["id"]] for row in rows)


async def test_what_was_kept_long_enough_is_forgotten(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """Only whole runs that are old enough; the feed goes on with its numbers."""
    await stage.pay()
    await sequenced(jobs)
    await stage.city.set_time(NOON + timedelta(days=91))
    await stage.pay(capture=True)
    await sequenced(jobs)
    assert await prune_events(jobs, 90, 1000) >= 1
    assert [no for no, _, _ in await feed(stage, stage.merchant.no)] == [2]
    [row] = await stage.lane.connection.fetch(QUERIES["read_feeds"], [stage.merchant.no])
    assert (row["last_no"], row["pruned_no"]) == (2, 1)
