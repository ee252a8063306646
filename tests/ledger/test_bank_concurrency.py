"""Payments that banks decide, from many connections at once, while time jumps.

Everybody works on the same few accounts: lanes that decide, one that takes steps, what starts calls
of banks, what settles them, the jobs. How much they do is fixed, how it mixes is not. When all of
it is brought to its end, books, banks and feeds say the same.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from switch.admin import Operator
from switch.doubt import surely
from switch.errors import LedgerUnavailable
from switch.ledger import Message, Order, Statements, authorize_batch, decide_steps
from switch.outcome import Outcome
from switch.queries import QUERIES
from switch.upkeep import expire_holds, fold_credits
from tests.databases import ADMIN, JOBS, Database
from tests.ledger.banking import (
    AUTHORIZATION,
    CREDIT,
    DEADLINE,
    REVERSAL,
    Bank,
    Banking,
    Side,
)
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City
from tests.ledger.test_bank_life import BankBooks

LANES = 3
BATCHES = 30  # of each lane, of steps too
CROWDS_MAX = 6  # until everything was met
LONG_FACTOR = 10
BATCHES_BETWEEN_JUMPS = 5
GIVEN_UP = 0.1  # how often the operator waits no longer for a bank
FOLDS = 0.05  # how often the jobs fold, so that most payers live on what waits
TRIES_MAX = 5
ROUNDS_TO_THE_END_MAX = 300
STEPPED_OF_LAST = 150
CAPTURE, VOID, REFUND, ISSUE = 11, 12, 13, 101
APPROVED, EXPIRED, DECLINED = 1, 2, 3  # kinds of events
# What every run comes across: outcomes, answers of banks, and steps that were approved.
MET = {
    Outcome.APPROVED, Outcome.INSUFFICIENT_FUNDS, Outcome.ISSUER_DECLINED, Outcome.ISSUER_TIMEOUT,
    "approved", "declined", "accepted", "refused", "acknowledged", "None", "unknown",
    "given_up", "captured", "voided", "refunded", "expired", "refunded to a bank",
}  # fmt: skip
WRONG = {
    "a payment was declined without the reversal of what its bank may have approved": """
        SELECT p.id FROM ledger.payment p
          JOIN ledger.bank_call c ON c.payment = p.id AND c.kind = 1
         WHERE p.outcome <> 0 AND c.decision <> 'declined'
           AND NOT EXISTS (SELECT FROM ledger.bank_call r WHERE r.payment = p.id AND r.kind = 3)
    """,
    "what was approved, or declined by the bank, was reversed": """
        SELECT p.id FROM ledger.payment p
          JOIN ledger.bank_call r ON r.payment = p.id AND r.kind = 3
          JOIN ledger.bank_call c ON c.payment = p.id AND c.kind = 1
         WHERE p.outcome = 0 OR c.decision = 'declined'
    """,
    "what a bank accepted was declined, or what it refused was approved": """
        SELECT p.id FROM ledger.payment p
          JOIN ledger.bank_call c ON c.payment = p.id AND c.kind = 2
         WHERE (p.outcome = 0) <> (c.decision = 'accepted')
    """,
    "a payment or a refund waits for ever": "SELECT id FROM ledger.pending_payment",
    "a call was never finished": "SELECT payment FROM ledger.bank_call WHERE finished_at IS NULL",
    "something is reserved for a refund that is decided": """
        SELECT payment FROM ledger.payment_state WHERE refunding <> 0
    """,
    "what was refunded is not what the refunds say": """
        SELECT s.payment FROM ledger.payment_state s
          LEFT JOIN ledger.payment r ON r.parent = s.payment AND r.type = 13 AND r.outcome = 0
         GROUP BY s.payment, s.refunded HAVING s.refunded <> coalesce(sum(r.amount), 0)
    """,
}

UNFINISHED = """
    SELECT EXISTS (SELECT FROM ledger.pending_payment)
        OR EXISTS (SELECT FROM ledger.bank_call WHERE finished_at IS NULL)
"""

Result = TypeVar("Result")


async def persistently(decide: Callable[[], Awaitable[Result]]) -> Result:
    """Ask again as a sender does, with the same message, while the ledger is too busy."""
    for _ in range(TRIES_MAX):
        try:
            return await decide()
        except LedgerUnavailable:
            await asyncio.sleep(0)
    raise AssertionError(f"too busy {TRIES_MAX} times")


class Crowd:
    """Two banks with customers, wallets that live on what just came, shops; and who works there."""

    def __init__(self, banking: Banking, random: Random) -> None:
        self.banking = banking
        self.city = banking.city
        self.seen: Counter[object] = Counter()
        self.books = BankBooks(random)
        self.sent: dict[UUID, Message] = {}
        self._random = random
        self._calls: list[tuple[UUID, int]] = []
        self._deciding = LANES + 1
        self._ahead = timedelta()
        self._clock = asyncio.Lock()

    async def settle(self) -> None:
        """Few accounts, so that everybody meets everybody; one bank and one wallet are tight."""
        self.banks: list[Bank] = [
            await self.banking.bank(floor=floor) for floor in (-2500, -90_000)
        ]
        tight = await self.city.tier("tight", daily_limit=4000, balance_limit=1500)
        self.wallets: list[Side] = [
            await self.banking.wallet(500, tier=tier) for tier in (tight, None, None)
        ]
        self.shops: list[Side] = []
        for _ in range(2):
            merchant = await self.city.participant("merchant")
            self.shops.append((merchant, await self.city.account(merchant, "merchant")))
        customers = [(bank.holder, bank.customer) for bank in self.banks]
        self.holders = {
            account: holder for holder, account in (*customers, *self.wallets, *self.shops)
        }

    async def work_together(
        self,
        lanes: list[Statements],
        others: list[asyncpg.Connection],
        jobs: asyncpg.Connection,
        batches: int,
    ) -> None:
        """All lanes at once, the last one with steps; beside them who calls banks, and the jobs.

        And the operator, who gives up what waits for a bank.
        """
        randoms = [Random(self._random.random()) for _ in range(LANES + 4)]
        first, second, third = randoms[-3:]
        async with asyncio.TaskGroup() as group:
            for lane, random in zip(lanes[:LANES], randoms[:LANES], strict=True):
                group.create_task(self.pay(lane, random, batches))
            group.create_task(self.step(lanes[LANES], randoms[LANES], batches))
            group.create_task(self.while_busy(lambda: self.start_calls(others[0])))
            group.create_task(self.while_busy(lambda: self.settle_calls(others[1], first)))
            group.create_task(self.while_busy(lambda: self.settle_calls(others[2], second)))
            group.create_task(self.while_busy(lambda: self.give_up(others[3], third)))
            group.create_task(self.while_busy(lambda: self.work(jobs)))

    @property
    def is_busy(self) -> bool:
        """Whether a lane still has something to decide."""
        return self._deciding > 0

    # --- who decides -------------------------------------------------------------------------

    async def pay(self, lane: Statements, random: Random, batches: int) -> None:
        """Decide batches of all sorts; time jumps now and then."""
        try:
            for number in range(batches):
                orders = [self._order(random) for _ in range(random.randint(1, 9))]
                self.sent |= {order.payment_id: order for order in orders}
                await persistently(lambda orders=orders: authorize_batch(lane, orders))
                if number % BATCHES_BETWEEN_JUMPS == BATCHES_BETWEEN_JUMPS - 1:
                    self._ahead += timedelta(seconds=random.choice((1, 12, 31)))
                    await self._jump()
        finally:
            self._deciding -= 1

    async def _jump(self) -> None:
        async with self._clock:
            await self.city.set_ahead(self._ahead)

    def _order(self, random: Random) -> Order:
        bank, other = random.sample(self.banks, 2)
        wallet, beside = random.sample(self.wallets, 2)
        shop = random.choice(self.shops)
        customer = (bank.holder, bank.customer)
        hold = {"capture": False, "hold_seconds": random.choice((60, 600))}
        (holder, payer), payee, kind, fields = random.choice((
            (wallet, beside[1], "transfer", {}),
            (wallet, shop[1], "purchase", {}),
            (wallet, shop[1], "purchase", hold),
            (wallet, bank.customer, "withdrawal", {}),
            (customer, wallet[1], "transfer", {}),
            (customer, shop[1], "purchase", {}),
            (customer, shop[1], "purchase", {}),
            (customer, shop[1], "purchase", hold),
            (customer, other.customer, "transfer", {}),
        ))  # fmt: skip
        amount = random.choice((1, 7, 40, 150, 400))
        return self.city.order(holder, payer, payee, amount, type=kind, **fields)

    async def step(self, lane: Statements, random: Random, batches: int) -> None:
        """Capture, void and refund what was sent of late, decided or not."""
        try:
            for _ in range(batches):
                orders = [one for one in self.sent.values() if isinstance(one, Order)]
                recent = random.choices(orders[-STEPPED_OF_LAST:], k=random.randint(4, 9))
                steps = [self._step(random, order) for order in recent]
                self.sent |= {step.payment_id: step for step in steps}
                await persistently(lambda steps=steps: decide_steps(lane, steps))
        finally:
            self._deciding -= 1

    def _step(self, random: Random, order: Order) -> Any:
        kinds = ("refund",) if order.request.capture else ("capture", "void", "refund")
        kind = random.choice(kinds)
        amount = random.choice((None, 1, 30)) if kind != "void" else None
        return self.city.step(
            self.holders[order.request.payee], kind, order.payment_id, amount=amount,
            final=kind == "capture" and random.random() < 0.5,
        )  # fmt: skip

    # --- what works beside -------------------------------------------------------------------

    async def start_calls(self, connection: asyncpg.Connection) -> int:
        """Take what is to be asked; how much it was."""
        rows = await self._run(connection, "start_bank_calls", 30, DEADLINE, 30, [], [], [], [])
        self._calls.extend((row["payment"], row["kind"]) for row in rows)
        return len(rows)

    async def settle_calls(
        self, connection: asyncpg.Connection, random: Random, heard: float = 0.75
    ) -> None:
        """Ask the banks some of it and record what was heard of their answers."""
        taken = [
            self._calls.pop(random.randrange(len(self._calls)))
            for _ in range(min(len(self._calls), random.randint(1, 9)))
        ]
        decisions = [self._ask(random, *call, heard) for call in taken]
        self.seen.update(f"{decision}" for decision in decisions)
        payments, kinds = [call[0] for call in taken], [call[1] for call in taken]
        waits = [timedelta()] * len(taken)
        await self._run(
            connection, "settle_bank_calls", payments, kinds, decisions, [None] * len(taken), waits
        )

    def _ask(self, random: Random, payment: UUID, kind: int, heard: float) -> str | None:
        """What the switch hears of the bank's answer, which may not even be asked."""
        is_heard = random.random() < heard
        said = self.books.ask(str(payment), kind) if is_heard or random.random() < 0.7 else None
        if is_heard:
            return said
        return random.choice((None, "unknown")) if kind == AUTHORIZATION else None

    async def give_up(self, connection: asyncpg.Connection, random: Random) -> None:
        """One of the calls that wait, as the operator does who waits no longer."""
        bank = random.choice(self.banks).holder.id
        operator = Operator(connection)
        waiting = await operator.bank_calls(bank)
        if not waiting or random.random() > GIVEN_UP:
            return
        payment = random.choice(waiting)["payment"]
        ended = await operator.give_up_calls(bank, payment, reason="gone")
        self.seen.update(row["decision"] for row in ended if row["decision"] == "given_up")

    async def work(self, connection: asyncpg.Connection) -> None:
        """What the jobs do."""
        await self._run(connection, "time_out_calls", 50)
        await surely(connection, lambda: expire_holds(connection, 50))
        if self._random.random() < FOLDS:
            await surely(connection, lambda: fold_credits(connection, 40))
        await self._run(connection, "sequence_events", 100)

    async def _run(self, connection: asyncpg.Connection, name: str, *arguments: Any) -> Any:
        statement = QUERIES[name]
        return await persistently(
            lambda: surely(connection, lambda: connection.fetch(statement, *arguments))
        )

    async def while_busy(self, work: Callable[[], Awaitable[object]]) -> None:
        """Again and again, until the lanes have decided everything."""
        while self.is_busy:
            await work()
            await asyncio.sleep(0.002)

    async def end(self, connection: asyncpg.Connection) -> None:
        """Answer everything that is still asked, and do what is left to be done."""
        self._ahead += timedelta(hours=1)  # beyond every hold
        for _ in range(ROUNDS_TO_THE_END_MAX):
            await self.start_calls(connection)
            if not self._calls and not await self.banking.admin.fetchval(UNFINISHED):
                break
            while self._calls:
                await self.settle_calls(connection, self._random, heard=1)
        await self._jump()
        while await self._run_all(connection):
            pass

    async def _run_all(self, connection: asyncpg.Connection) -> int:
        expired = await expire_holds(connection, 1000)
        folded = await fold_credits(connection, 1000)
        [[sequenced]] = await connection.fetch(QUERIES["sequence_events"], 1000)
        return int(expired + folded.credits + sequenced)


class Told:
    """What the feeds say in the end, held against what was decided."""

    def __init__(self, crowd: Crowd, payments: Sequence[asyncpg.Record]) -> None:
        self._holders = {account: holder.no for account, holder in crowd.holders.items()}
        self._plain = {account for _, account in (*crowd.wallets, *crowd.shops)}
        self._payments = {row["id"]: row for row in payments}

    def expected(self) -> Counter[tuple[int, int, UUID]]:
        """Who is to be told what, once each."""
        events: Counter[tuple[int, int, UUID]] = Counter()
        for row in self._payments.values():
            payer, payee = self._holders.get(row["payer"]), self._holders.get(row["payee"])
            both = {payer, payee} - {None}
            if row["outcome"] == 0:
                events.update((no, APPROVED, row["id"]) for no in both)
            elif row["decided_at"] is not None and payer is not None:
                events[payer, DECLINED, row["id"]] += 1
            if row["expired"]:
                events.update((no, EXPIRED, row["id"]) for no in both)
        return events

    def assert_causes_come_first(self, no: int, events: Sequence[tuple[int, UUID]]) -> None:
        """In a feed: money comes before it is spent, a payment before what becomes of it."""
        balances: Counter[UUID] = Counter()
        captured: Counter[UUID] = Counter()
        over: set[UUID] = set()
        for kind, subject in events:
            row = self._payments[subject]
            parent = row["parent"] or subject
            if kind == EXPIRED:
                over.add(subject)
            if kind != APPROVED:
                assert kind == DECLINED or subject in captured, "expired before it was held"
                continue
            is_hold, kind_of = row["hold_seconds"] is not None, row["type"]
            assert row["parent"] is None or parent in captured, "a step before its payment"
            assert kind_of != CAPTURE or parent not in over, "captured after it expired"
            captured[parent] += 0 if is_hold or kind_of == VOID else self._sign(row) * row["amount"]
            assert captured[parent] >= 0, "more refunded than was captured by then"
            if not is_hold and kind_of != VOID:
                balances[row["payer"]] -= row["amount"]
                balances[row["payee"]] += row["amount"]
                if row["payer"] in self._plain and self._holders[row["payer"]] == no:
                    assert balances[row["payer"]] >= 0, "spent before it came"

    @staticmethod
    def _sign(row: asyncpg.Record) -> int:
        return -1 if row["type"] == REFUND else 1


async def check(crowd: Crowd, admin: asyncpg.Connection) -> None:
    """Everything that must be true when all is at its end."""
    await assert_books_are_right(admin)
    for what, query in WRONG.items():
        found = await admin.fetch(query)
        assert not found, f"{what}: {[str(row[0]) for row in found[:5]]}, {len(found)} in all"
    rows = await admin.fetch(
        """
        SELECT p.*, coalesce(s.expired, 0) AS expired FROM ledger.payment p
          LEFT JOIN ledger.payment_state s ON s.shard = p.shard AND s.payment = p.id
         WHERE p.payer = ANY ($1) OR p.payee = ANY ($1) OR p.id = ANY ($2)
        """,
        list(crowd.holders), list(crowd.sent),
    )  # fmt: skip
    decided = {row["id"] for row in rows if row["type"] != ISSUE}
    assert decided == set(crowd.sent), "each message has one decision"
    assert len(rows) == len({row["id"] for row in rows})
    await check_banks(crowd, rows, admin)
    await check_feeds(crowd, rows, admin)
    for row in rows:
        crowd.seen[Outcome(row["outcome"])] += 1
        if row["outcome"] == 0 and row["type"] in (CAPTURE, VOID, REFUND):
            crowd.seen[{CAPTURE: "captured", VOID: "voided", REFUND: "refunded"}[row["type"]]] += 1
        crowd.seen["expired"] += row["expired"] > 0


async def check_banks(
    crowd: Crowd, rows: Sequence[asyncpg.Record], admin: asyncpg.Connection
) -> None:
    """A debit and a credit stand in the banks' books exactly where the ledger approved.

    What the operator gave up was not approved; what the bank has done of it, it alone knows.
    """
    customers = {bank.customer for bank in crowd.banks}
    given_up = {
        (row["payment"], row["kind"])
        for row in await admin.fetch(
            "SELECT payment, kind FROM ledger.bank_call WHERE decision = 'given_up'"
        )
    }
    for row in rows:
        is_approved = row["outcome"] == 0
        is_left = {kind: (row["id"], kind) in given_up for kind in (CREDIT, REVERSAL)}
        assert not (is_approved and any(is_left.values())), dict(row)
        if row["payer"] in customers and row["parent"] is None and not is_left[REVERSAL]:
            assert (str(row["id"]) in crowd.books.debited) == is_approved, dict(row)
        if row["payee"] in customers and row["type"] not in (CAPTURE, VOID):
            is_credited = str(row["id"]) in crowd.books.credited
            assert is_left[CREDIT] or is_credited == is_approved, dict(row)
            crowd.seen["refunded to a bank"] += is_approved and row["type"] == REFUND


async def check_feeds(
    crowd: Crowd, rows: Sequence[asyncpg.Record], admin: asyncpg.Connection
) -> None:
    """Each event is told once to each whom it concerns, after its causes."""
    numbers = list({holder.no for holder in crowd.holders.values()})
    feeds: dict[int, list[tuple[int, UUID]]] = defaultdict(list)
    for row in await admin.fetch(
        """
        SELECT r.participant_no, e.kind, e.subject FROM ledger.event_run r
         CROSS JOIN LATERAL unnest(r.kinds, r.subjects) WITH ORDINALITY AS e (kind, subject, i)
         WHERE r.participant_no = ANY ($1) ORDER BY r.participant_no, r.first_no, e.i
        """,
        numbers,
    ):
        feeds[row["participant_no"]].append((row["kind"], row["subject"]))
    told = Told(crowd, rows)
    heard = Counter((no, *event) for no, events in feeds.items() for event in events)
    expected = told.expected()
    assert heard == expected, f"twice or unasked {heard - expected}, missing {expected - heard}"
    for no, events in feeds.items():
        told.assert_causes_come_first(no, events)


async def test_many_connections_decide_what_banks_decide(
    city: City, admin: asyncpg.Connection, jobs: asyncpg.Connection, database: Database,
    open_lane: Callable[[], Awaitable[Statements]], seed: int, long_run: bool,
) -> None:  # fmt: skip
    """Whoever meets whom, and whenever: each message is decided once, no money is made, lost or
    spent twice, the banks' books are the ledger's, and the feeds tell all of it once, in order.
    """
    lanes = [await open_lane() for _ in range(LANES + 1)]
    others = [await database.connect(role) for role in (JOBS, JOBS, JOBS, ADMIN)]
    batches = BATCHES * (LONG_FACTOR if long_run else 1)
    seen: Counter[object] = Counter()
    for number in range(CROWDS_MAX):
        await city.own_the_clock()
        crowd = Crowd(Banking(city, lanes[0], jobs, admin), Random(f"{seed} crowd {number}"))
        await crowd.settle()
        await crowd.work_together(lanes, others, jobs, batches)
        await crowd.end(jobs)
        await check(crowd, admin)
        seen += +crowd.seen
        if seen.keys() >= MET:  # who meets whom is chance
            break
    for connection in others:
        await connection.close()
    missed = MET - set(seen)
    assert not missed, f"never met: {missed}; met: {dict(seen)}"
