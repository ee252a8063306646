"""A backlog of waiting credits is folded in bounded steps, and is money from the first moment."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from switch import db
from switch.clock import SYSTEM_CLOCK
from switch.errors import Problem
from switch.lane import Lane, LedgerLink
from switch.ledger import Backlog, Statements, authorize_batch
from switch.limits import BATCH_SIZE_MAX, PAGE_SIZE_MAX
from switch.message import Entry
from switch.metrics import WorkerMetrics
from switch.reads import Reads
from switch.upkeep import fold_credits
from tests.databases import WORKER, Database
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City, Participant
from tests.ledger.conftest import OpenLane

ITEMS_MAX = "SELECT ledger.fold_items_max()"
FOLDS = """
    SELECT cardinality(transfer_ids) AS items, transfer_ids
      FROM ledger.fold WHERE account = $1 ORDER BY posting_no
"""
WAITING = "SELECT count(*) FROM ledger.unfolded_credit WHERE payee = $1"
# What this transaction has read of the queue so far, by whatever way: its indexes or all of it.
READ = """
    SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
     WHERE relid = 'ledger.unfolded_credit'::regclass
"""
BACKLOG_BATCHES = 14  # of 256: three and a half times what one posting may add up


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reads(database: Database) -> AsyncIterator[Reads]:
    """What a worker reads with."""
    async with db.pool(database.url(WORKER), application_name="reads") as pool:
        yield Reads(pool)


async def fold_everything(connection: asyncpg.Connection) -> None:
    """Leave nothing waiting, whoever left it."""
    while (await fold_credits(connection, 1000)).credits:
        pass


async def pay_often(
    city: City, lane: Statements, holder: Participant, payee: UUID, amount: int = 1
) -> int:
    """Leave a backlog of credits of this amount to the payee; how many."""
    count = BACKLOG_BATCHES * BATCH_SIZE_MAX
    payer = await city.account(holder, "wallet", balance=count * amount)
    for _ in range(BACKLOG_BATCHES):
        orders = [city.order(holder, payer, payee, amount) for _ in range(BATCH_SIZE_MAX)]
        decisions = await city.decide(lane, orders)
        assert city.both(decisions, orders, city.decided_at(orders)) is None
    return count


async def statement(reads: Reads, holder: Participant, account: UUID, page: int) -> list[Entry]:
    """All entries, page by page."""
    found: list[Entry] = []
    while True:
        after = (found[-1].posting, found[-1].item) if found else None
        read = await reads.entries(holder.no, account, after, page)
        assert read is not None
        found += read[:page]
        if len(read) < page:
            return found


def assert_it_adds_up(entries: list[Entry]) -> None:
    """Every line once, in order, each with the balance that it led to."""
    balance = 0
    for entry in entries:
        balance += entry.amount if entry.direction == "credit" else -entry.amount
        assert entry.balance_after == balance, entry
    places = [(entry.posting, entry.item) for entry in entries]
    assert all(before < after for before, after in pairwise(places))
    assert len({(entry.payment, entry.direction) for entry in entries}) == len(entries)


async def assert_folds_are_bounded(admin: asyncpg.Connection, account: UUID) -> None:
    """No posting holds more than its bound, and the older credits were added first."""
    items_max = await admin.fetchval(ITEMS_MAX)
    folds = await admin.fetch(FOLDS, account)
    assert max(fold["items"] for fold in folds) <= items_max
    for fold in folds:
        assert fold["transfer_ids"] == sorted(fold["transfer_ids"])


async def test_a_backlog_is_folded_in_bounded_steps(
    city: City, lane: Statements, jobs: asyncpg.Connection, admin: asyncpg.Connection, reads: Reads
) -> None:
    """No step takes more than its limit, all together take everything, oldest first."""
    holder = await city.participant("wallet")
    payee = await city.account(holder, "wallet")
    left = await pay_often(city, lane, holder, payee)
    while left:
        limit = city.random.choice((700, 1000, 1500))
        folded = await fold_credits(jobs, limit)
        assert folded.credits == min(limit, left)
        left -= folded.credits
        assert await admin.fetchval(WAITING, payee) == left
    assert (await fold_credits(jobs, 1000)).credits == 0
    await assert_folds_are_bounded(admin, payee)
    folds = await admin.fetch(FOLDS, payee)
    in_order = [transfer for fold in folds for transfer in fold["transfer_ids"]]
    assert in_order == sorted(in_order)
    await assert_books_are_right(admin)
    for page in (37, PAGE_SIZE_MAX):
        entries = await statement(reads, holder, payee, page)
        assert_it_adds_up(entries)
        assert [UUID(entry.payment) for entry in entries] == in_order


async def test_a_page_after_an_item_that_is_not_there_goes_on_with_the_next_posting(
    city: City, lane: Statements, jobs: asyncpg.Connection, reads: Reads
) -> None:
    """A place beyond a posting's last credit is a place like any other."""
    holder = await city.participant("wallet")
    payer = await city.account(holder, "wallet", balance=100)
    payee = await city.account(holder, "wallet")
    for _ in range(2):
        await city.decide(lane, [city.order(holder, payer, payee, n) for n in (1, 2, 3)])
        await fold_credits(jobs, 1000)
    whole = await reads.entries(holder.no, payee, None, 10)
    assert whole is not None
    assert [(entry.posting, entry.item) for entry in whole] == [
        (posting, item) for posting in (1, 2) for item in (1, 2, 3)
    ]
    assert await reads.entries(holder.no, payee, (1, 2**31 - 1), 10) == whole[3:]
    assert await reads.entries(holder.no, payee, (1, 2), 2) == whole[2:4]


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0], ids=["one coin", "a part", "all of it"])
async def test_a_payer_spends_of_a_backlog_at_once(
    city: City, lane: Statements, jobs: asyncpg.Connection, admin: asyncpg.Connection, reads: Reads,
    share: float,
) -> None:  # fmt: skip
    """Money received can be spent before any fold came by; one coin more than all is too much."""
    holder = await city.participant("wallet")
    payer = await city.account(holder, "wallet")
    payee = await city.account(holder, "wallet")
    count = await pay_often(city, lane, holder, payer)
    orders = [city.order(holder, payer, payee, max(1, int(count * share)))]
    decisions = await city.decide(lane, orders)
    assert city.both(decisions, orders, city.decided_at(orders)) is None
    assert decisions[0].outcome == 0
    left = await admin.fetchval(WAITING, payer)
    assert left == 0 if share == 1 else left > 0, "no more is folded than is needed"
    orders = [city.order(holder, payer, payee, count)]
    decisions = await city.decide(lane, orders)
    assert city.both(decisions, orders, city.decided_at(orders)) is None
    await fold_everything(jobs)
    await assert_folds_are_bounded(admin, payer)
    await assert_books_are_right(admin)
    assert_it_adds_up(await statement(reads, holder, payer, PAGE_SIZE_MAX))


async def test_a_cap_counts_all_of_a_backlog(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """A payee that is capped while its credits wait takes what is left to the cap, no coin more."""
    holder = await city.participant("wallet")
    name = f"capped-{city.random.randrange(16**8):08x}"
    tier = await city.tier(name)
    payee = await city.account(holder, "wallet", tier=tier)
    payer = await city.account(holder, "wallet", balance=100)
    count = await pay_often(city, lane, holder, payee)
    await city.tier(name, balance_limit=count + 10)
    orders = [city.order(holder, payer, payee, amount) for amount in (11, 10, 1)]
    decisions = await city.decide(lane, orders)
    assert city.both(decisions, orders, city.decided_at(orders)) is None
    assert [decision.outcome for decision in decisions] == [120, 0, 120]
    await assert_folds_are_bounded(admin, payee)
    await assert_books_are_right(admin)


@pytest_asyncio.fixture(loop_scope="session")
async def small_calls(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """One call adds up a thousand credits at most."""
    whole = await admin.fetchval("SELECT pg_get_functiondef('ledger.fold_call_max'::regproc)")
    await admin.execute(whole.replace("30000", "1000"))
    yield
    await admin.execute(whole)


@pytest.mark.usefixtures("small_calls")
async def test_more_than_one_call_adds_up_delays_only_whom_it_concerns(
    city: City, open_lane: OpenLane, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Each call is progress that is kept; the others of the batch do not wait for the last one."""
    holder = await city.participant("wallet")
    rich = await city.account(holder, "wallet")
    payee = await city.account(holder, "wallet")
    neighbour = await city.account(holder, "wallet", balance=1)
    count = await pay_often(city, lane, holder, rich)
    orders = [city.order(holder, rich, payee, count), city.order(holder, neighbour, payee, 1)]
    with pytest.raises(Backlog) as refused:
        await authorize_batch(lane, orders)
    assert refused.value.accounts == {rich}
    assert await admin.fetchval(WAITING, rich) == count, "nothing was done"

    async def open_link() -> LedgerLink:
        return LedgerLink(await open_lane(), authorize_batch)

    metrics = WorkerMetrics(CollectorRegistry())
    working = Lane(open_link=open_link, queue_max=10, clock=SYSTEM_CLOCK, metrics=metrics)
    late, early = (working.put(order) for order in orders)
    working.start()
    try:
        async with asyncio.timeout(60):
            verdict = await early.decision
            assert not late.decision.done()
            assert not isinstance(verdict, Problem)
            assert verdict.payment is not None
            assert verdict.payment.status == "completed"
            verdict = await late.decision
    finally:
        await working.stop()
    assert not isinstance(verdict, Problem)
    assert verdict.payment is not None
    assert verdict.payment.status == "completed"
    await assert_folds_are_bounded(admin, rich)
    await assert_books_are_right(admin)


@pytest.mark.usefixtures("small_calls")
async def test_the_operator_is_told_of_a_backlog_that_is_too_large(
    city: City, lane: Statements
) -> None:
    """A floor is not set on a balance that cannot be added up in time; nothing is changed."""
    holder = await city.participant("wallet")
    payee = await city.account(holder, "merchant")
    await pay_often(city, lane, holder, payee)
    with pytest.raises(asyncpg.PostgresError, match="more credits wait"):
        await city.set_floor(payee, 0)


async def test_a_fold_reads_no_more_than_it_looks_at(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Whatever the statistics say of the queue, a bite of a long one is a bite."""
    await fold_everything(admin)
    holder = await city.participant("wallet")
    payee = await city.account(holder, "wallet")
    await admin.execute("VACUUM ANALYZE ledger.unfolded_credit")  # they say that it is empty
    count = await pay_often(city, lane, holder, payee)
    limit = 100
    async with admin.transaction():
        before = await admin.fetchval(READ)
        assert (await fold_credits(admin, limit)).credits == limit
        read = await admin.fetchval(READ) - before
    # To choose four times as many, then to find them, to take them, and what pages hold beside.
    assert read <= 10 * limit < count, read


async def test_a_fold_takes_no_more_accounts_than_have_its_credits(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Of many payees with a credit each, a fold locks as many as its limit has credits."""
    await fold_everything(admin)
    holder = await city.participant("wallet")
    payer = await city.account(holder, "wallet", balance=40)
    payees = [await city.account(holder, "wallet") for _ in range(40)]
    await city.decide(lane, [city.order(holder, payer, payee, 1) for payee in payees])
    folded = await fold_credits(admin, 10)
    assert (folded.credits, folded.accounts) == (10, 10)
    rest = await fold_credits(admin, 100)
    assert (rest.credits, rest.accounts) == (30, 30)


async def test_one_locked_payee_does_not_hold_up_the_fold(
    city: City, lane: Statements, jobs: asyncpg.Connection, admin: asyncpg.Connection,
    database: Database,
) -> None:  # fmt: skip
    """Behind more credits of a locked account than a fold looks at, others' are folded."""
    holder = await city.participant("wallet")
    held, free = [await city.account(holder, "wallet") for _ in range(2)]
    payer = await city.account(holder, "wallet", balance=3)
    await fold_everything(jobs)
    count = await pay_often(city, lane, holder, held)
    await city.decide(lane, [city.order(holder, payer, free, 3)])
    other = await database.connect()
    try:
        async with other.transaction():
            await other.execute("SELECT FROM ledger.account WHERE id = $1 FOR UPDATE", held)
            assert (await fold_credits(jobs, 1000)).credits == 1
    finally:
        await other.close()
    assert await admin.fetchval(WAITING, free) == 0
    assert await admin.fetchval(WAITING, held) == count


async def test_the_operator_counts_all_of_a_backlog(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The operator's change of a floor folds everything, in bounded postings."""
    holder = await city.participant("wallet")
    payee = await city.account(holder, "merchant")
    count = await pay_often(city, lane, holder, payee)
    await city.set_floor(payee, 0)
    assert await admin.fetchval(WAITING, payee) == 0
    await assert_folds_are_bounded(admin, payee)
    assert await admin.fetchval("SELECT balance FROM ledger.account WHERE id = $1", payee) == count
    await assert_books_are_right(admin)
