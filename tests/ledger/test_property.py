"""The SQL against the plain-Python model: random batches, every answer compared.

On one connection the answers must be the model's, message by message. On several at once some
serial order that respects real time must explain them all. Between the batches credits are folded,
holds expire, by the clock alone or posted by the job, days change and the operator interferes;
after each city the books are checked. Steps of payments are in test_life.py.
"""

import asyncio
import time
from collections import Counter
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import asyncpg

from switch import db
from switch.ledger import Disposition, Order, Statements, prepare
from switch.outcome import Outcome
from switch.upkeep import expire_holds, finish_closing, fold_credits
from tests.databases import JOBS, WORKER, Database
from tests.ledger import funding_traffic
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City
from tests.ledger.funding import sweep
from tests.ledger.history import Batch, explain
from tests.ledger.model import RULES, Decision
from tests.ledger.traffic import HOLD_SECONDS, Traffic

MESSAGES_ALONE = 8_000
MESSAGES_TOGETHER = 12_000
LONG_FACTOR = 25
CITIES_MORE = 30  # at most beyond the target, until the rarest case was met too
MESSAGES_PER_CITY = 2_000  # then a new one: what went wrong stays short enough to read
LANES = 4
BATCH_MAX_ALONE = 64
BATCH_MAX_TOGETHER = 12
BATCHES_OF_A_LANE_MAX = 2  # of one round; between rounds nothing is open
FOLD_LIMIT = 50

OPERATES = 0.3  # chance between two batches, or two rounds
FOLDS = 0.3
EXPIRES = 0.3
SWEEPS = 0.1
DAY_CHANGES = 0.05
YEAR_CHANGES = 0.03
TIME_PASSES = 0.3
EXPIRY_LIMIT = 20

BALANCES = """
    SELECT a.id, a.balance + coalesce(c.amount, 0)::bigint AS balance,
           a.held - coalesce(s.expired, 0)::bigint AS held
      FROM ledger.account a
      LEFT JOIN (SELECT payee, sum(amount) AS amount FROM ledger.unfolded_credit
                  GROUP BY payee) c ON c.payee = a.id
      LEFT JOIN (SELECT payer, sum(amount - captured - voided - expired) AS expired
                   FROM ledger.payment_state
                  WHERE hold_expires_at <= $1 GROUP BY payer) s ON s.payer = a.id
     WHERE a.kind <> 'issuance'
"""


class Run:
    """One city under random traffic, its connections and what was seen so far."""

    def __init__(self, admin: asyncpg.Connection, seed: int, name: str) -> None:
        self.remark = f"--seed {seed}, {name}"
        self.random = Random(f"{seed} {name}")
        self.city = City(admin, f"{seed} {name}")
        self.traffic = Traffic(city=self.city, random=self.random)
        self.seen: Counter[str] = Counter()

    @property
    def decided(self) -> int:
        return self.seen[Disposition.DECIDED.name]

    def count(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            self.seen[decision.disposition.name] += 1
            if decision.disposition is Disposition.DECIDED:
                assert decision.outcome is not None
                assert decision.payment_id is not None
                self.seen[decision.outcome.name] += 1
                record = self.city.ledger.records[decision.payment_id]
                if record.uncaptured:
                    self.seen["HELD"] += 1

    async def interfere(self, jobs: asyncpg.Connection, at: datetime) -> None:
        """What may happen between two batches: the operator, the jobs, an account that closes."""
        if self.random.random() < OPERATES:
            await self.traffic.operate(at)
        if self.random.random() < EXPIRES:
            self.seen["EXPIRED_BY_JOB"] += await expire_holds(
                jobs, self.random.randint(1, EXPIRY_LIMIT)
            )
        if self.random.random() < FOLDS:
            await fold_credits(jobs, self.random.randint(1, FOLD_LIMIT))
        if self.random.random() < FOLDS / 10:
            await finish_closing(jobs)
        if self.random.random() < SWEEPS:
            await sweep(self.city, jobs, at)
        if self.random.random() < OPERATES:
            await funding_traffic.go_on(self.traffic, at)

    async def check_draws(self, orders: list[Order], at: datetime) -> None:
        """What purses and coupons paid is what the model draws."""
        (batch,) = batches = [
            Batch(lane=0, orders=orders, decisions=[], postings=[None] * len(orders),
                  draws=[()] * len(orders), decided_at=at, began=0, ended=0)
        ]  # fmt: skip
        await _add_postings(self.city.admin, batches)
        for order, draws in zip(orders, batch.draws, strict=True):
            record = self.city.ledger.records.get(order.payment_id)
            if record is not None:
                assert record.draws == draws, f"{self.remark}: {order}"
                self.seen["DRAWN"] += len(draws)

    async def check(self, at: datetime) -> None:
        """Balances, and what is held at this time, are the model's, and the books are right."""
        rows = await self.city.admin.fetch(BALANCES, at)
        real = {account: (balance, held) for account, balance, held in rows}
        for account in self.city.ledger.accounts.values():
            expected = (account.balance, account.held(at))
            assert real[account.id] == expected, f"{self.remark}: {account}"
        await assert_books_are_right(self.city.admin, self.remark)


async def test_one_connection_decides_as_the_model_does(
    database: Database, seed: int, long_run: bool
) -> None:
    """Every message of every batch gets the answer of the model that decides them one by one."""
    target = MESSAGES_ALONE * (LONG_FACTOR if long_run else 1)
    admin, jobs = await database.connect(), await database.connect(JOBS)
    lane = await db.connect(database.url(WORKER), application_name="lane")
    seen: Counter[str] = Counter()
    try:
        while _goes_on(seen, target):
            run = Run(admin, seed, f"alone {seen[Disposition.DECIDED.name]}")
            at = await decide_alone(run, jobs, await prepare(lane), MESSAGES_PER_CITY)
            await run.check(at)
            seen += run.seen
    finally:
        await _close(admin, jobs, lane)
    _assert_everything_was_met(seen)


async def decide_alone(
    run: Run, jobs: asyncpg.Connection, lane: Statements, messages: int
) -> datetime:
    """So many messages in random batches, each answer compared at once; the time it has become."""
    await run.city.own_the_clock()
    await run.traffic.settle()
    at = NOON
    while run.decided < messages:
        at = _later(run.random, at)
        await run.city.set_time(at)
        size = run.random.randint(1, BATCH_MAX_ALONE)
        orders = [run.traffic.message(at) for _ in range(size)]
        decisions = await run.city.decide(lane, orders)
        difference = run.city.both(decisions, orders, at)
        assert difference is None, f"{run.remark}, after {run.decided} messages: {difference}"
        await run.check_draws(orders, at)
        run.count(decisions)
        await run.interfere(jobs, at)
    return at


def _later(random: Random, at: datetime) -> datetime:
    """Some seconds on; sometimes to the last or the first instant of a day or year in Shanghai."""
    if random.random() < YEAR_CHANGES:
        new_year = datetime(at.year + 1, 12, 31, 16, tzinfo=at.tzinfo)
        return new_year + random.choice([0, -1]) * timedelta(microseconds=1)
    if random.random() < DAY_CHANGES:
        midnight = (at + timedelta(days=1)).replace(hour=16, minute=0, second=0, microsecond=0)
        return midnight + random.choice([0, -1]) * timedelta(microseconds=1)
    return at + timedelta(seconds=random.randint(0, 600), microseconds=random.randrange(10**6))


async def test_several_connections_decide_in_some_serial_order(
    database: Database, seed: int, long_run: bool
) -> None:
    """One order of the messages, true to real time and to each batch, explains every answer."""
    target = MESSAGES_TOGETHER * (LONG_FACTOR if long_run else 1)
    admin, jobs = await database.connect(), await database.connect(JOBS)
    lanes = [
        await db.connect(database.url(WORKER), application_name=f"lane {n}") for n in range(LANES)
    ]
    seen: Counter[str] = Counter()
    try:
        statements = [await prepare(lane) for lane in lanes]
        while _goes_on(seen, target):
            run = Run(admin, seed, f"together {seen[Disposition.DECIDED.name]}")
            await run.check(await _together(run, jobs, statements))
            seen += run.seen
    finally:
        await _close(admin, jobs, *lanes)
    _assert_everything_was_met(seen)


async def _together(run: Run, jobs: asyncpg.Connection, lanes: list[Statements]) -> datetime:
    """Rounds in which every lane sends at once; the time that it has become, by a stopped clock."""
    await run.city.own_the_clock()
    await run.traffic.settle()
    ahead = timedelta()
    while run.decided < MESSAGES_PER_CITY:
        if run.random.random() < TIME_PASSES:
            ahead += timedelta(seconds=run.random.choice(HOLD_SECONDS) or 0)
        if run.random.random() < DAY_CHANGES:
            ahead += timedelta(days=1)
        if run.random.random() < YEAR_CHANGES:
            ahead += timedelta(days=366)
        await run.city.set_ahead(ahead)
        batches = await _round(run, jobs, lanes, ahead)
        doubt = explain(run.city.ledger, batches)
        assert doubt is None, f"{run.remark}, no order explains: {doubt}"
        for batch in batches:
            run.count(batch.decisions)
            run.seen["DRAWN"] += sum(map(len, batch.draws))
        await run.interfere(jobs, datetime.now(NOON.tzinfo) + ahead)
    at = datetime.now(NOON.tzinfo) + ahead
    await run.city.set_time(at)
    return at


async def _round(
    run: Run, jobs: asyncpg.Connection, lanes: list[Statements], ahead: timedelta
) -> list[Batch]:
    """Every lane sends a few batches, one after the other, while the jobs work beside them."""
    at = datetime.now(NOON.tzinfo) + ahead
    plans: list[list[list[Order]]] = [
        [
            [run.traffic.message(at) for _ in range(run.random.randint(1, BATCH_MAX_TOGETHER))]
            for _ in range(run.random.randint(1, BATCHES_OF_A_LANE_MAX))
        ]
        for _ in lanes
    ]
    working = asyncio.create_task(_work(jobs))
    sent = await asyncio.gather(
        *(_send(run.city, lane, n, plans[n]) for n, lane in enumerate(lanes))
    )
    await working
    batches = [batch for of_a_lane in sent for batch in of_a_lane]
    await _add_postings(run.city.admin, batches)
    return batches


async def _work(jobs: asyncpg.Connection) -> None:
    await fold_credits(jobs, FOLD_LIMIT)
    await expire_holds(jobs, EXPIRY_LIMIT)


async def _send(city: City, lane: Statements, number: int, plan: list[list[Order]]) -> list[Batch]:
    batches = []
    for orders in plan:
        began = time.monotonic()
        decisions = await city.decide(lane, orders)
        ended = time.monotonic()
        batches.append(
            Batch(
                lane=number, orders=orders, decisions=decisions, began=began, ended=ended,
                decided_at=city.decided_at(orders), postings=[None] * len(orders),
                draws=[()] * len(orders),
            )
        )  # fmt: skip
    return batches


async def _add_postings(admin: asyncpg.Connection, batches: list[Batch]) -> None:
    ids = [order.payment_id for batch in batches for order in batch.orders]
    rows = await admin.fetch(
        "SELECT id, payer_posting_no FROM ledger.payment WHERE id = ANY($1)", ids
    )
    numbers = dict(map(tuple, rows))
    for batch in batches:
        batch.postings[:] = [numbers.get(order.payment_id) for order in batch.orders]
    drawn: dict[UUID, list[tuple[UUID, int]]] = {}
    for payment, account, amount in await admin.fetch(
        "SELECT payment, account, amount FROM ledger.draw WHERE payment = ANY($1) ORDER BY number",
        ids,
    ):
        drawn.setdefault(payment, []).append((account, amount))
    for batch in batches:
        batch.draws[:] = [tuple(drawn.get(order.payment_id, ())) for order in batch.orders]


def _goes_on(seen: Counter[str], target: int) -> bool:
    """Until enough was decided and every case was met; the rarest may take more cities."""
    decided = seen[Disposition.DECIDED.name]
    return decided < target or (
        bool(_missed(seen)) and decided < target + CITIES_MORE * MESSAGES_PER_CITY
    )


def _missed(seen: Counter[str]) -> set[str]:
    due = {outcome.name for outcome in (Outcome.APPROVED, *(rule for rule, _ in RULES))}
    due |= {"DECIDED", "REPEATED", "KEY_REUSED", "HELD", "EXPIRED_BY_JOB", "DRAWN"}
    return {name for name in due if not seen[name]}


def _assert_everything_was_met(seen: Counter[str]) -> None:
    """A property that never meets a case proves nothing about it."""
    assert not _missed(seen), f"never met: {_missed(seen)}; met: {dict(seen)}"
    assert seen["APPROVED"] * 4 > seen[Disposition.DECIDED.name], dict(seen)


async def _close(*connections: asyncpg.Connection) -> None:
    for connection in connections:
        await connection.close()
