"""Statements: every posting once, a running balance, nothing that was read ever changes."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from switch import db
from switch.admin import Operator
from switch.ledger import Statements, authorize_batch, decide_steps
from switch.message import Entry
from switch.reads import Reads
from switch.upkeep import fold_credits
from tests.databases import WORKER, Database
from tests.ledger.city import City, Participant

PAGE = 4
PATIENCE_S = 30.0
BLOCKERS = "SELECT cardinality(pg_blocking_pids($1))"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reads(database: Database) -> AsyncIterator[Reads]:
    """What a worker reads with."""
    async with db.pool(database.url(WORKER), application_name="reads") as pool:
        yield Reads(pool)


async def page_through(
    reads: Reads, holder: Participant, account: UUID, after: tuple[int, int] | None = None
) -> list[Entry]:
    """All entries after this one, page by page."""
    found: list[Entry] = []
    while True:
        page = await reads.entries(holder.no, account, after, PAGE)
        assert page is not None
        found += page[:PAGE]
        if len(page) < PAGE:
            return found
        after = (page[PAGE - 1].posting, page[PAGE - 1].item)


def assert_it_adds_up(entries: list[Entry], opening: int = 0) -> None:
    """Each line's balance is the one before it, more or less its amount; places only go up."""
    balance = opening
    for entry in entries:
        balance += entry.amount if entry.direction == "credit" else -entry.amount
        assert entry.balance_after == balance, entry
    places = [(entry.posting, entry.item) for entry in entries]
    assert all(before < after for before, after in pairwise(places)), places
    times = [entry.posted_at for entry in entries]
    assert times == sorted(times), "postings never go back in time"


async def test_a_statement_while_money_moves_and_credits_are_folded(
    city: City, lane: Statements, jobs: asyncpg.Connection, reads: Reads
) -> None:
    """Pages read while the account is busy fit together, and read again they are the same."""
    provider = await city.participant("wallet")
    mine = await city.account(provider, "wallet", balance=1000)
    others = [await city.account(provider, "wallet", balance=1000) for _ in range(3)]
    read: list[Entry] = []
    for _ in range(25):
        orders = [
            city.order(provider, *city.random.choice([(mine, other), (other, mine)]), amount)
            for other in others
            for amount in (city.random.randint(1, 40),)
        ]
        folding = asyncio.create_task(fold_credits(jobs, city.random.randint(1, 20)))
        decisions = await city.decide(lane, orders)
        await folding
        assert city.both(decisions, orders, city.decided_at(orders)) is None
        after = (read[-1].posting, read[-1].item) if read else None
        read += await page_through(reads, provider, mine, after)
        assert_it_adds_up(read)
    await fold_credits(jobs, 1000)
    after = (read[-1].posting, read[-1].item)
    read += await page_through(reads, provider, mine, after)
    assert_it_adds_up(read)
    assert read == await page_through(reads, provider, mine), "what was read has changed"
    assert read[-1].balance_after == city.ledger.accounts[mine].balance
    shown = await reads.account(provider.no, mine)
    assert shown is not None
    assert shown.balance == read[-1].balance_after


async def test_every_payment_stands_in_the_statements_of_both_sides(
    city: City, lane: Statements, jobs: asyncpg.Connection, reads: Reads
) -> None:
    """A debit here is a credit of the same amount there, with each other as counterparty."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=100)
    payee = await city.account(provider, "wallet")
    orders = [
        city.order(provider, payer, payee, n, reference=f"r{n}", payee_reference=f"p{n}")
        for n in (1, 2, 200)
    ]
    await city.decide(lane, orders)
    await fold_credits(jobs, 1000)
    debits = [e for e in await page_through(reads, provider, payer) if e.direction == "debit"]
    received = await page_through(reads, provider, payee)
    for debit, order in zip(debits, orders[:2], strict=True):
        assert debit.payment == str(order.payment_id)
        assert (debit.amount, debit.counterparty) == (order.request.amount, str(payee))
        assert (debit.type, debit.reference) == ("transfer", order.request.reference)
    assert sorted((c.payment, c.amount) for c in received) == sorted(
        (d.payment, d.amount) for d in debits
    )
    assert {c.counterparty for c in received} == {str(payer)}
    assert_it_adds_up(received)


async def test_a_stranger_sees_no_statement(city: City, reads: Reads) -> None:
    """Somebody else's account is as if it did not exist."""
    holder, stranger = await city.participant("wallet"), await city.participant("wallet")
    account = await city.account(holder, "wallet", balance=5)
    assert await reads.entries(holder.no, account, None, PAGE) is not None
    assert await reads.entries(stranger.no, account, None, PAGE) is None
    assert await reads.entries(holder.no, city.new_id(), None, PAGE) is None
    assert await reads.account(stranger.no, account) is None


@pytest.mark.parametrize("what", ["a payment", "payments in their order", "a refund", "a reversal"])
async def test_a_posting_that_waited_is_dated_when_it_is_posted(
    what: str,
    city: City,
    lane: Statements,
    admin: asyncpg.Connection,
    database: Database,
    reads: Reads,
) -> None:
    """Whoever waits for an account while something is posted there does not stand before it."""
    await city.own_the_clock()
    provider = await city.participant("wallet")
    mine = await city.account(provider, "wallet", balance=100)
    other = await city.account(provider, "wallet", balance=100)
    paid = city.order(provider, other, mine, 10)
    await city.decide(lane, [paid])
    operator = Operator(await database.connect())

    async def post() -> object:
        if what == "a refund":
            return await decide_steps(lane, [city.step(provider, "refund", paid.payment_id)])
        if what == "a reversal":
            return await operator.reverse(paid.payment_id, reason="mistake")
        count = 1 if what == "a payment" else 2
        orders = [city.order(provider, mine, other, 1) for _ in range(count)]
        return await authorize_batch(lane, orders)

    async with admin.transaction():
        await admin.execute("SELECT FROM ledger.account WHERE id = $1 FOR UPDATE", mine)
        posting = asyncio.create_task(post())
        pid = (operator if what == "a reversal" else lane).connection.get_server_pid()
        async with asyncio.timeout(PATIENCE_S):
            while not await admin.fetchval(BLOCKERS, pid):  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
        await admin.execute("SELECT ledger.issue_money($1, $2, 1, 'now')", city.new_id(), mine)
    await posting
    await operator.connection.close()
    entries = await page_through(reads, provider, mine)
    assert entries[-1].direction == "debit"
    assert_it_adds_up(entries)
