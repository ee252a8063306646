"""What participants may look up: their own, in pages that miss and repeat nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest_asyncio

from switch import db
from switch.ledger import Statements
from switch.message import Payment
from switch.reads import Reads
from switch.upkeep import fold_credits
from tests.databases import WORKER, Database
from tests.ledger.city import NOON, City, Participant

PAGE = 3


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reads(database: Database) -> AsyncIterator[Reads]:
    """What a worker reads with."""
    async with db.pool(database.url(WORKER), application_name="reads") as pool:
        yield Reads(pool)


async def test_who_may_read_a_payment(city: City, lane: Statements, reads: Reads) -> None:
    """Sender and both sides' holders do, the payee's without the metadata; nobody else does."""
    sender, other, stranger = [await city.participant("wallet") for _ in range(3)]
    payer = await city.account(sender, "wallet", balance=10)
    payee = await city.account(other, "wallet")
    order = city.order(
        sender, payer, payee, 5, key="k", metadata={"z": "1", "a": "2"}, description="lunch"
    )
    await city.decide(lane, [order])
    answer = city.answers[sender.no, "k"]
    assert await reads.payment(sender.no, order.payment_id) == answer
    assert await reads.payment_by_key(sender.no, "k") == answer
    shown = await reads.payment(other.no, order.payment_id)
    assert shown is not None
    assert shown.metadata is None
    assert (shown.amount, shown.description) == (5, "lunch")
    assert await reads.payment(stranger.no, order.payment_id) is None
    assert await reads.payment_by_key(other.no, "k") is None
    assert await reads.payment(sender.no, city.new_id()) is None


async def test_a_look_up_is_one_statement(
    city: City, admin: asyncpg.Connection, database: Database
) -> None:
    """Giving the connection back asks the database nothing."""
    holder = await city.participant("wallet")
    async with db.pool(database.url(WORKER), application_name="one statement") as pool:
        await Reads(pool).account(holder.no, city.new_id())
        last = await admin.fetchval(
            "SELECT query FROM pg_stat_activity WHERE application_name = 'one statement'"
        )
    assert "ledger.read_accounts" in last


async def test_the_key_of_an_account_is_no_payment(city: City, reads: Reads) -> None:
    """A look-up by a key that was never used finds nothing and spends nothing."""
    participant = await city.participant("wallet")
    assert await reads.payment_by_key(participant.no, "never") is None
    assert not await reads.key_is_claimed(participant.no, "never")


async def pages(
    reads: Reads, asking: Participant, account: UUID | None = None, **bounds: object
) -> list[Payment]:
    """All pages of a list, one after the other."""
    found: list[Payment] = []
    while True:
        after = UUID(found[-1].id) if found else None
        page = await reads.payments(
            asking.no, bounds.get("reference"), account, bounds.get("from_at"),
            bounds.get("to_at"), after, PAGE,
        )  # fmt: skip
        found += page
        if len(page) < PAGE:
            return found


async def test_lists_of_payments(city: City, lane: Statements, reads: Reads) -> None:
    """By sender, account, reference and time, in the order decided, each exactly once."""
    sender, other = await city.participant("wallet"), await city.participant("wallet")
    first, second = [await city.account(sender, "wallet", balance=100) for _ in range(2)]
    away = await city.account(other, "wallet", balance=100)
    orders = []
    for n in range(12):
        payer, payee = [(first, second), (second, away), (first, away)][n % 3]
        order = city.order(sender, payer, payee, 1, reference=f"r{n % 2}")
        await city.decide(lane, [order])
        orders.append(order)
    ids = [str(order.payment_id) for order in orders]
    assert [payment.id for payment in await pages(reads, sender)] == ids
    assert await pages(reads, other) == [], "it has sent nothing"
    for account, asking in ((first, sender), (second, sender), (away, other)):
        due = {o.payment_id for o in orders if account in (o.request.payer, o.request.payee)}
        listed = await pages(reads, asking, account)
        found = [UUID(payment.id) for payment in listed]
        assert len(found) == len(due) + 1, "the issue of its money too"
        assert due <= set(found)
        assert listed == sorted(listed, key=lambda payment: (payment.created_at, payment.id))
    assert await pages(reads, sender, away) == [], "somebody else's account"
    halves = [await pages(reads, sender, reference=f"r{n}") for n in range(2)]
    assert sorted(payment.id for half in halves for payment in half) == sorted(ids)
    middle = city.decided_at([orders[6]])
    before = await pages(reads, sender, to_at=middle)
    since = await pages(reads, sender, from_at=middle)
    assert [payment.id for payment in (*before, *since)] == ids


async def test_what_is_left_of_the_day(city: City, lane: Statements, reads: Reads) -> None:
    """An account shows what its tier still allows today; from local midnight all of it."""
    await city.own_the_clock()
    await city.set_time(NOON)
    holder = await city.participant("wallet")
    tier = await city.tier("left", daily_limit=100, payment_limit=60, balance_limit=1000)
    payer = await city.account(holder, "wallet", tier=tier, balance=500)
    payee = await city.account(holder, "wallet")
    await city.decide(lane, [city.order(holder, payer, payee, 60)])

    async def left() -> int | None:
        account = await reads.account(holder.no, payer)
        assert account is not None
        assert account.limits.balance_limit == 1000
        return account.limits.daily_left

    assert await left() == 40
    await city.set_time(NOON.replace(hour=15, minute=59, second=59, microsecond=999999))
    assert await left() == 40
    await city.set_time(NOON.replace(hour=16))
    assert await left() == 100
    await city.set_ahead(timedelta())


async def test_an_account_shows_money_before_it_is_folded(
    city: City, lane: Statements, reads: Reads, database: Database
) -> None:
    """The balance counts what has been received, added up or not: it can be spent."""
    holder = await city.participant("wallet")
    payer = await city.account(holder, "wallet", balance=9)
    payee = await city.account(holder, "wallet")
    await city.decide(lane, [city.order(holder, payer, payee, n) for n in (2, 3)])
    before = await reads.account(holder.no, payee)
    jobs = await database.connect()
    await fold_credits(jobs, 1000)
    await jobs.close()
    assert before is not None
    assert (before.balance, before.available) == (5, 5)
    assert await reads.account(holder.no, payee) == before
