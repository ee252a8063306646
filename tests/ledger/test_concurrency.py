"""Many connections at once: one decision a key, no overdraft, no cap broken, nothing stuck."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest_asyncio
from msgspec.structs import replace

from switch.ledger import Disposition, Order, Statements
from switch.outcome import Outcome
from switch.upkeep import fold_credits
from tests.databases import Database
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City
from tests.ledger.model import Decision
from tests.ledger.test_broken_link import until_it_waits

LANES = 6
TOTAL = """
    SELECT (a.balance + coalesce(sum(c.amount), 0))::bigint
      FROM ledger.account a
      LEFT JOIN ledger.unfolded_credit c ON c.shard = a.shard AND c.payee = a.id
     WHERE a.id = $1 GROUP BY a.balance
"""
POSTINGS = "SELECT payer_posting_no FROM ledger.payment WHERE payer = $1 AND outcome = 0"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

OpenLane = Callable[[], Awaitable[Statements]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lanes(open_lane: OpenLane) -> list[Statements]:
    """Several connections that decide payments."""
    return [await open_lane() for _ in range(LANES)]


async def total(admin: asyncpg.Connection, account: UUID) -> int:
    return await admin.fetchval(TOTAL, account)


async def decide_everywhere(
    city: City, lanes: list[Statements], batches: list[list[Order]]
) -> list[Decision]:
    """Each lane takes the next batch as soon as it has its answers, until none is left."""
    waiting = iter(batches)
    answers: list[Decision] = []

    async def work(lane: Statements) -> None:
        for orders in waiting:
            answers.extend(await city.decide(lane, orders))

    await asyncio.gather(*(work(lane) for lane in lanes))
    return answers


async def test_the_same_message_from_many_connections(
    city: City, lanes: list[Statements], admin: asyncpg.Connection
) -> None:
    """One of many twins is decided, the others get its answer; the money moves once."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=1000)
    payee = await city.account(provider, "wallet")
    for amount in range(1, 11):
        order = city.order(provider, payer, payee, amount)
        twins = [[replace(order, payment_id=city.new_id())] for _ in lanes]
        answers = await decide_everywhere(city, lanes, twins)
        counted = Counter(answer.disposition for answer in answers)
        assert counted == {Disposition.DECIDED: 1, Disposition.REPEATED: len(lanes) - 1}
        assert len({answer.payment_id for answer in answers}) == 1
    assert await total(admin, payee) == sum(range(1, 11))


async def test_the_same_key_for_different_messages_from_many_connections(
    city: City, lanes: list[Statements], admin: asyncpg.Connection
) -> None:
    """One message gets the key; all others are refused and change nothing."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10_000)
    payee = await city.account(provider, "wallet")
    moved = 0
    for n in range(10):
        rivals = [
            city.order(provider, payer, payee, amount, key=f"contested-{n}")
            for amount in range(1, len(lanes) + 1)
        ]
        answers = await decide_everywhere(city, lanes, [[rival] for rival in rivals])
        counted = Counter(answer.disposition for answer in answers)
        assert counted == {Disposition.DECIDED: 1, Disposition.KEY_REUSED: len(lanes) - 1}
        [winner] = [answer.payment_id for answer in answers if answer.payment_id]
        moved += next(rival.request.amount for rival in rivals if rival.payment_id == winner)
    assert await total(admin, payee) == moved


async def test_a_message_sent_again_under_its_own_id(city: City, lane: Statements) -> None:
    """The very same order again, id and all, gets the same answer and moves nothing."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10)
    payee = await city.account(provider, "wallet")
    order = city.order(provider, payer, payee, 6)
    answers = [*await city.decide(lane, [order, order]), *await city.decide(lane, [order])]
    assert {answer.outcome for answer in answers} == {Outcome.APPROVED}
    assert [answer.disposition for answer in answers] == [
        Disposition.DECIDED,
        Disposition.REPEATED,
        Disposition.REPEATED,
    ]


async def test_many_connections_spend_one_balance(
    city: City, lanes: list[Statements], admin: asyncpg.Connection
) -> None:
    """One payer, hammered from all sides: exactly its balance is spent, no posting is missing."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=300)
    payees = [await city.account(provider, "wallet") for _ in range(3)]
    batches = [
        [city.order(provider, payer, city.random.choice(payees), 1) for _ in range(5)]
        for _ in range(100)
    ]
    answers = await decide_everywhere(city, lanes, batches)
    counted = Counter(answer.outcome for answer in answers)
    assert counted == {Outcome.APPROVED: 300, Outcome.INSUFFICIENT_FUNDS: 200}
    assert await total(admin, payer) == 0
    assert sum([await total(admin, payee) for payee in payees]) == 300
    numbers = sorted(row[0] for row in await admin.fetch(POSTINGS, payer))
    assert numbers == list(range(numbers[0], numbers[0] + 300))


async def test_a_capped_payee_is_never_over_its_cap(
    city: City, lanes: list[Statements], admin: asyncpg.Connection, jobs: asyncpg.Connection
) -> None:
    """Credits from all sides, folding beside them: the cap is filled to the last unit only."""
    provider = await city.participant("wallet")
    await city.tier("cap200", balance_limit=200)
    payers = [await city.account(provider, "wallet", balance=100) for _ in range(5)]
    payee = await city.account(provider, "wallet", tier="cap200")
    batches = [
        [city.order(provider, city.random.choice(payers), payee, 1) for _ in range(5)]
        for _ in range(60)
    ]
    highest = 0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal highest
        while not done.is_set():
            highest = max(highest, await total(admin, payee))
            await fold_credits(jobs, 10)

    watching = asyncio.create_task(watch())
    answers = await decide_everywhere(city, lanes, batches)
    done.set()
    await watching
    counted = Counter(answer.outcome for answer in answers)
    assert counted[Outcome.APPROVED] == 200, counted
    assert highest <= 200
    assert await total(admin, payee) == 200


async def test_money_received_is_spendable_at_once(
    city: City, lanes: list[Statements], jobs: asyncpg.Connection
) -> None:
    """What one connection was told has arrived, another connection can spend, folded or not."""
    provider = await city.participant("wallet")
    source = await city.account(provider, "wallet", balance=100)
    chain = [source, *[await city.account(provider, "wallet") for _ in range(40)]]
    for n, (payer, payee) in enumerate(pairwise(chain)):
        folding = asyncio.create_task(fold_credits(jobs, 10))
        [answer] = await city.decide(
            lanes[n % len(lanes)], [city.order(provider, payer, payee, 100)]
        )
        assert answer.outcome is Outcome.APPROVED, f"payment {n} of the chain"
        await folding


async def test_money_received_in_a_batch_is_spendable_in_it(city: City, lane: Statements) -> None:
    """A chain of payments in one batch: each spends what the one before it brought."""
    provider = await city.participant("wallet")
    chain = [await city.account(provider, "wallet", balance=7 if n == 0 else 0) for n in range(50)]
    orders = [city.order(provider, payer, payee, 7) for payer, payee in pairwise(chain)]
    answers = await city.decide(lane, orders)
    assert {answer.outcome for answer in answers} == {Outcome.APPROVED}
    backwards = [city.order(provider, order.request.payee, order.request.payer, 7)
                 for order in orders]  # fmt: skip
    answers = await city.decide(lane, backwards)
    assert [answer.outcome for answer in answers[:-1]] == [Outcome.INSUFFICIENT_FUNDS] * 48
    assert answers[-1].outcome is Outcome.APPROVED


async def test_any_order_of_accounts_neverdeadlocks(
    city: City, lanes: list[Statements], admin: asyncpg.Connection, jobs: asyncpg.Connection
) -> None:
    """Batches over the same accounts and keys in every order, folding beside them: no deadlock."""
    provider = await city.participant("wallet")
    await city.tier("roomy", balance_limit=10**6)
    accounts = [
        await city.account(
            provider, "wallet", balance=1000, tier=city.random.choice([None, "roomy"])
        )
        for _ in range(12)
    ]
    before = await deadlocks(admin)
    orders = [
        city.order(provider, *city.random.sample(accounts, 2), city.random.randint(1, 20))
        for _ in range(1500)
    ]
    twins = [replace(order, payment_id=city.new_id()) for order in city.random.sample(orders, 500)]
    mixed = city.random.sample([*orders, *twins], 2000)
    done = asyncio.Event()

    async def fold() -> None:
        while not done.is_set():
            await fold_credits(jobs, 7)

    folding = asyncio.create_task(fold())
    answers = await decide_everywhere(
        city, lanes, [mixed[start : start + 20] for start in range(0, len(mixed), 20)]
    )
    done.set()
    await folding
    counted = Counter(answer.disposition for answer in answers)
    assert counted == {Disposition.DECIDED: 1500, Disposition.REPEATED: 500}
    assert await deadlocks(admin) == before
    await assert_books_are_right(admin)


async def deadlocks(admin: asyncpg.Connection) -> int:
    """Deadlocks so far; the server counts one when it breaks it, and tells within a second."""
    await asyncio.sleep(1.1)
    return await admin.fetchval(DEADLOCKS)


async def test_a_tier_that_is_made_while_a_batch_waits_limits_it(
    city: City, lane: Statements, database: Database
) -> None:
    """A payment that waited while its payer was moved to a new tier is bound by that tier."""
    provider = await city.participant("wallet")
    await city.tier("before", payment_limit=5)
    payer = await city.account(provider, "wallet", tier="before", balance=100)
    payee = await city.account(provider, "wallet")
    operator = await database.connect()
    async with operator.transaction():
        await operator.execute("SELECT ledger.set_tier('after', 'CNY', 1, NULL, NULL, NULL, false)")
        await operator.execute("SELECT ledger.set_account($1, NULL, 'after')", payer)
        asked = asyncio.create_task(city.decide(lane, [city.order(provider, payer, payee, 50)]))
        await until_it_waits(city.admin, "lane")
    [answer] = await asked
    await operator.close()
    assert answer.outcome is Outcome.PAYMENT_LIMIT_EXCEEDED


async def test_all_of_a_batch_is_decided_by_the_same_payee(
    city: City, admin: asyncpg.Connection, lane: Statements
) -> None:
    """Closed while one payer was waited for, a payee is open to both messages or to none."""
    provider = await city.participant("wallet")
    changed, other = [await city.account(provider, "wallet", balance=10) for _ in range(2)]
    payee = await city.account(provider, "wallet")
    orders = [city.order(provider, payer, payee, 5) for payer in (changed, other)]
    async with admin.transaction():
        await admin.execute("UPDATE ledger.account SET reference = 'x' WHERE id = $1", changed)
        await admin.execute("UPDATE ledger.account SET lifecycle = 'closing' WHERE id = $1", payee)
        asked = asyncio.create_task(city.decide(lane, orders))
        await until_it_waits(admin, "lane")
    outcomes = {answer.outcome for answer in await asked}
    assert len(outcomes) == 1, outcomes
