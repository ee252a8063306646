"""What each statement of a running switch reads: what it needs, however much the ledger holds.

A plan is made from what Postgres believes of its tables, and that is wrong when it matters most: a
young city's tables were never analysed, or when they held next to nothing. So every statement is
tried with both, again and again on one connection, where its functions come to keep their plans.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from switch import db
from switch.bank_calls import Called, Kind, Spared, settle_calls, start_calls
from switch.ledger import Order, StepOrder, authorize_batch, decide_steps, prepare
from switch.queries import QUERIES
from switch.upkeep import fold_credits, sequence_events
from tests.databases import Database, DatabaseServer
from tests.ledger.city import City, Participant

# Rows of all tables that this transaction has read so far, through indexes or without.
READ = """
    SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
      FROM pg_stat_xact_user_tables
"""
LEAVE_STATISTICS = """
    SELECT format('ALTER TABLE %s SET (autovacuum_enabled = false)', oid::regclass)
      FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind = 'r'
"""
LAST_NO = "SELECT last_no FROM ledger.event_feed WHERE participant_no = $1"
ROUNDS = 12
PAID = 128  # payments in each round, and as many holds
BY_BANK = 20  # in each round
CALLS_MAX = 100  # of one bank at a time
FEW = 8  # messages in a batch that is looked at
AGAIN = 7  # times: a plan is kept from the sixth time on
READ_MAX = 1000  # small tables are read whole; of payments alone there are four times as many
EVERYBODY = Spared(shut=(), probed=(), room={})

Look = Callable[[asyncpg.Connection, "Scene"], Awaitable[Any]]


@dataclass(slots=True, kw_only=True)
class Scene:
    """A busy sender, a busy payee and a busy bank."""

    database: Database
    city: City
    sender: Participant
    payer: UUID
    merchant: Participant
    payee: UUID
    bank: Participant
    customer: UUID
    paid: list[Order] = field(default_factory=list)  # of the last round
    held: list[Order] = field(default_factory=list)
    by_bank: list[Order] = field(default_factory=list)

    def orders(self, number: int, **fields: Any) -> list[Order]:
        """Payments of the sender."""
        return [
            self.city.order(self.sender, self.payer, self.payee, 1, type="purchase", **fields)
            for _ in range(number)
        ]

    def asked(self, number: int) -> list[Order]:
        """Payments that the bank decides."""
        return [
            self.city.order(self.bank, self.customer, self.payee, 1, type="purchase")
            for _ in range(number)
        ]

    def captures(self, held: list[Order]) -> list[StepOrder]:
        """The merchant takes what was held."""
        return [self.city.step(self.merchant, "capture", one.payment_id, amount=1) for one in held]

    async def live(self, by_bank: int = BY_BANK) -> None:
        """One round of everything, to its end."""
        admin = self.city.admin
        lane = await prepare(admin)
        self.paid, self.held = self.orders(PAID, reference="r"), self.orders(PAID, capture=False)
        self.by_bank = self.asked(by_bank)
        for orders in (self.paid, self.held, self.by_bank):
            await authorize_batch(lane, orders)
        await decide_steps(lane, self.captures(self.held[::2]))
        calls = await start(admin)
        assert len(calls) == by_bank
        assert await settle_calls(admin, [approved(one.payment_id) for one in self.by_bank])
        while (await fold_credits(admin, 1000)).credits:
            pass
        while await sequence_events(admin, 1000):
            pass
        last_no = await admin.fetchval(LAST_NO, self.merchant.no)
        # One event of each round waits to be sent again.
        await admin.execute(
            QUERIES["pass_deliveries"], self.merchant.no, last_no, [last_no], [timedelta(days=1)],
            ["answered 500"],
        )  # fmt: skip


async def start(connection: asyncpg.Connection) -> list[Any]:
    """The calls to make now."""
    return await start_calls(
        connection, limit=CALLS_MAX, deadline_s=30, calls_max=CALLS_MAX, spared=EVERYBODY
    )


def approved(payment: UUID) -> Called:
    """What the bank says."""
    return Called(payment=payment, kind=Kind.AUTHORIZATION, decision="approved", result="approved")


@pytest_asyncio.fixture(
    scope="module", loop_scope="session", params=["unknown", "of a young city", "as they are"]
)
async def scene(
    request: pytest.FixtureRequest, database_server: DatabaseServer, seed: int
) -> AsyncIterator[Scene]:
    """A ledger with some thousand payments, and what Postgres believes of it."""
    made = await founded(await database_server.migrated(), f"{seed} {request.node.nodeid}")
    admin = made.city.admin
    for number in range(ROUNDS):
        await made.live()
        if number == 0 and request.param == "of a young city":
            await admin.execute("VACUUM ANALYZE")
    if request.param == "as they are":
        await admin.execute("VACUUM ANALYZE")
    yield made
    await admin.close()
    await database_server.drop(made.database)


async def founded(database: Database, seed: str) -> Scene:
    """A city in which nothing has happened yet, and whose tables nobody looks after."""
    admin = await database.connect()
    for row in await admin.fetch(LEAVE_STATISTICS):
        await admin.execute(row[0])
    city = City(admin, seed)
    sender, merchant, bank = [
        await city.participant(kind) for kind in ("wallet", "merchant", "bank")
    ]
    await city.account(bank, "position", floor=-(10**6))
    await admin.execute(QUERIES["set_participant"], bank.id, None, "https://bank.test/")
    await admin.execute(QUERIES["set_participant"], merchant.id, "https://shop.test/", None)
    return Scene(
        database=database,
        city=city,
        sender=sender,
        payer=await city.account(sender, "wallet", balance=10**6),
        merchant=merchant,
        payee=await city.account(merchant, "merchant"),
        bank=bank,
        customer=await city.account(bank, "external"),
    )


def query(name: str, *values: Any) -> Look:
    """Look with a statement; a value is made of the scene when it is a function."""

    async def look(connection: asyncpg.Connection, scene: Scene) -> None:
        given = [value(scene) if callable(value) else value for value in values]
        await connection.fetch(QUERIES[name], *given)

    return look


def decides(orders: Callable[[Scene], list[Order]]) -> Look:
    """Look with a batch of payments."""

    async def look(connection: asyncpg.Connection, scene: Scene) -> None:
        await authorize_batch(await prepare(connection), orders(scene))

    return look


def takes(kind: Any, orders: Callable[[Scene], list[Order]]) -> Look:
    """Look with a batch of steps."""

    async def look(connection: asyncpg.Connection, scene: Scene) -> None:
        sender = scene.merchant
        steps = [scene.city.step(sender, kind, one.payment_id) for one in orders(scene)]
        await decide_steps(await prepare(connection), steps)

    return look


async def calls_of_a_bank(connection: asyncpg.Connection, scene: Scene) -> None:
    """Begin, decide and end some."""
    asked = scene.asked(3)
    await authorize_batch(await prepare(connection), asked)
    assert len(await start(connection)) == len(asked)
    await connection.execute(QUERIES["resume_bank_calls"])
    await connection.execute(QUERIES["time_out_calls"], 100)
    await settle_calls(connection, [approved(one.payment_id) for one in asked])


async def nothing_to_call(connection: asyncpg.Connection, scene: Scene) -> None:
    """As it is most of the time, some sixty times a second."""
    assert not await start(connection)


async def folds(connection: asyncpg.Connection, scene: Scene) -> None:
    """Add up what a batch has left."""
    await authorize_batch(await prepare(connection), scene.orders(FEW))
    assert (await fold_credits(connection, 1000)).credits == FEW


async def deliveries(connection: asyncpg.Connection, scene: Scene) -> None:
    """Number and tell what a batch has left."""
    await authorize_batch(await prepare(connection), scene.orders(FEW))
    assert await sequence_events(connection, 1000) == FEW
    new = await connection.fetch(QUERIES["read_new_deliveries"], scene.merchant.no, 10)
    numbers = [row["no"] for row in new]
    await connection.execute(
        QUERIES["pass_deliveries"], scene.merchant.no, numbers[-1], numbers[:1], [timedelta()],
        ["answered 500"],
    )  # fmt: skip
    await connection.fetch(QUERIES["read_due_deliveries"], scene.merchant.no, 10)
    await connection.execute(
        QUERIES["settle_deliveries"], scene.merchant.no, numbers[:1], [None], [None], timedelta(1)
    )


def sender(scene: Scene) -> int:
    """Who asks."""
    return scene.sender.no


def one(scene: Scene) -> UUID:
    """A payment."""
    return scene.paid[0].payment_id


def some(scene: Scene) -> list[UUID]:
    """Payments, some of them the bank's."""
    return [order.payment_id for order in (*scene.paid[:FEW], *scene.by_bank[:FEW])]


def lately(scene: Scene) -> datetime:
    """A time; whoever asks from then on has the minute before it looked through."""
    return timedelta(minutes=1) + datetime.fromtimestamp((one(scene).int >> 80) / 1000, UTC)


PAGE = 50
LOOKS: dict[str, Look] = {
    "pay": decides(lambda scene: scene.orders(FEW)),
    "hold": decides(lambda scene: scene.orders(FEW, capture=False)),
    "repeat": decides(lambda scene: scene.paid[:FEW]),
    "repeat by bank": decides(lambda scene: scene.by_bank[:FEW]),
    "capture": takes("capture", lambda scene: scene.held[1 : 2 * FEW : 2]),
    "void": takes("void", lambda scene: scene.held[1 : 2 * FEW : 2]),
    "refund": takes("refund", lambda scene: scene.paid[:FEW]),
    "bar": query("bar_key", sender, "new", b"d" * 32, lambda scene: scene.city.new_id(),
                 None, None, None),
    "bar too late": query("bar_key", sender, lambda scene: scene.paid[0].key, b"d" * 32,
                          lambda scene: scene.city.new_id(), None, None, None),
    "claims": query("find_claims", sender, lambda scene: [one.key for one in scene.paid[:FEW]]),
    "account": query("read_accounts", lambda scene: scene.merchant.no,
                     lambda scene: scene.payee, None, None, 1),
    "accounts": query("read_accounts", sender, None, None, None, PAGE),
    "statement": query("read_entries", lambda scene: scene.merchant.no, lambda scene: scene.payee,
                       0, 0, PAGE),
    "payments": query("list_payments", sender, None, None, None, None, None, PAGE),
    "payments of account": query("list_payments", sender, None, lambda scene: scene.payer, None,
                                 None, None, PAGE),
    "payments by time": query("list_payments", sender, None, None, lately, None, None, PAGE),
    "payments by reference": query("list_payments", sender, "none", None, None, None, None, PAGE),
    "timeline": query("read_trail", sender, one, 500),
    "timeline of bank's": query("read_trail", lambda scene: scene.bank.no,
                                lambda scene: scene.by_bank[0].payment_id, 500),
    "told": query("read_told", None, lambda scene: some(scene)[-2:], 200),
    "asked": query("read_asked", None, some),
    "pushed": query("read_pushed", lambda scene: scene.merchant.no, one),
    "look up payments": query("look_up_payments", lambda scene: [scene.sender.no] * 2 * FEW, some),
    "look up keys": query("look_up_keys", lambda scene: [scene.sender.no] * FEW,
                          lambda scene: [one.key for one in scene.paid[:FEW]], [3]),
    "look up feeds": query("look_up_feeds", lambda scene: [scene.merchant.no], [0], [10]),
    "decided": query("find_decided", some),
    "calls of a bank": calls_of_a_bank,
    "bank backlog": query("read_bank_backlog"),
    "calls that wait": query("list_bank_calls", lambda scene: scene.bank.id, False, FEW),
    "calls given up": query("list_bank_calls", lambda scene: scene.bank.id, True, FEW),
    "folds": folds,
    "deliveries": deliveries,
    "delivery work": query("read_delivery_work", 1000),
    "delivery backlog": query("read_delivery_backlog"),
    "expiry": query("expire_holds", 0, 100),
    "closing": query("finish_closing", 100),
    "waiting": query("read_waiting"),
    "unnumbered": query("read_unnumbered"),
    "retention of calls": query("prune_bank_calls", 1, 100),
    "retention of deliveries": query("prune_deliveries", 1, 100),
    "retention of events": query("prune_events", 1, 100),
    "participants": query("read_participants"),
    "reversal": query("reverse_payment", lambda scene: scene.city.new_id(), one, "test"),
    "account for the operator": query("operator_read_account", lambda scene: scene.payee),
    "key claims": query("find_key_claims", lambda scene: scene.sender.id,
                        lambda scene: scene.paid[0].key),
}  # fmt: skip


async def rows_read(connection: asyncpg.Connection, look: Look, scene: Scene) -> int:
    """How many rows a look reads; what it changes is undone."""
    transaction = connection.transaction()
    await transaction.start()
    before: int = await connection.fetchval(READ)
    await look(connection, scene)
    read: int = await connection.fetchval(READ) - before
    await transaction.rollback()
    return read


@pytest.mark.parametrize("name", LOOKS)
async def test_a_statement_reads_what_it_needs(scene: Scene, name: str) -> None:
    """However much there is beside it, whatever is believed of it."""
    connection = await db.connect(scene.database.url(), application_name="looks")
    try:
        read = [await rows_read(connection, LOOKS[name], scene) for _ in range(AGAIN)]
        assert max(read) <= READ_MAX, read
    finally:
        await connection.close()


# What is asked from the founding on, again and again, by connections that stay.
ALWAYS: dict[str, Look] = {
    "nothing to call": nothing_to_call,
    "time outs": query("time_out_calls", 100),
    "nothing to fold": lambda connection, scene: fold_credits(connection, 1000),
    "nothing to number": lambda connection, scene: sequence_events(connection, 1000),
    **{name: LOOKS[name] for name in (
        "calls of a bank", "bank backlog", "delivery work", "delivery backlog", "expiry",
        "closing", "waiting", "unnumbered", "retention of calls", "retention of deliveries",
        "retention of events",
    )},
}  # fmt: skip


async def test_a_plan_that_was_made_in_an_empty_city_reads_what_it_needs(
    database_server: DatabaseServer, seed: int
) -> None:
    """It is kept until somebody looks after the tables, and by then they may hold thousands."""
    scene = await founded(await database_server.migrated(), f"{seed} empty")
    connection = await db.connect(scene.database.url(), application_name="jobs")
    for _ in range(AGAIN):
        for look in ALWAYS.values():
            await rows_read(connection, look, scene)
    for _ in range(ROUNDS):
        await scene.live(by_bank=CALLS_MAX)
    read = {name: await rows_read(connection, look, scene) for name, look in ALWAYS.items()}
    assert max(read.values()) <= READ_MAX, read
    await connection.close()
    await scene.city.admin.close()
    await database_server.drop(scene.database)
