"""When the link to the ledger breaks: outcome unknown, and the truth when asked again (P3, P6)."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from switch import db, ledger
from switch.errors import OutcomeUnknown
from switch.ledger import Disposition, Statements, authorize_batch, prepare
from switch.outcome import Outcome
from tests.databases import WORKER, Database
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City
from tests.ledger.relay import relayed

WAITING = """
    SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = $1
"""
LOCK = "SELECT FROM ledger.account WHERE id = $1 FOR UPDATE"
PATIENCE_S = 30.0


async def until_it_waits(admin: asyncpg.Connection, application_name: str) -> int:
    """The process id of the connection of this name, once it waits for a lock."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            pid = await admin.fetchval(WAITING, application_name)
            if pid is not None:
                return pid
            await asyncio.sleep(0.01)


async def a_pair(city: City) -> tuple[UUID, UUID]:
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10)
    return payer, await city.account(provider, "wallet")


async def test_a_backend_that_dies_before_it_decides(
    city: City, database: Database, admin: asyncpg.Connection, lane: Statements
) -> None:
    """The outcome is unknown to the caller; asked again, the message is decided once."""
    payer, payee = await a_pair(city)
    [sender] = city.participants.values()
    orders = [city.order(sender, payer, payee, 6) for _ in range(2)]
    broken = await db.connect(database.url(WORKER), application_name="to be ended")
    statements = await prepare(broken)
    async with admin.transaction():
        await admin.execute(LOCK, payer)
        asked = asyncio.create_task(authorize_batch(statements, orders))
        pid = await until_it_waits(admin, "to be ended")
        await admin.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(OutcomeUnknown):
            await asked
    assert broken.is_closed()
    again = [replace(order, payment_id=city.new_id()) for order in orders]
    answers = await city.decide(lane, again)
    assert [answer.disposition for answer in answers] == [Disposition.DECIDED] * 2
    assert [answer.outcome for answer in answers] == [
        Outcome.APPROVED,
        Outcome.INSUFFICIENT_FUNDS,
    ]
    await assert_books_are_right(admin)


async def test_an_answer_that_is_lost_after_the_commit(
    city: City, database: Database, admin: asyncpg.Connection, lane: Statements, tmp_path: Path
) -> None:
    """The money has moved and nobody was told: asked again, the same decision is the answer."""
    payer, payee = await a_pair(city)
    [sender] = city.participants.values()
    order = city.order(sender, payer, payee, 10)
    async with relayed(database.url(WORKER), tmp_path) as (relay, url):
        connection = await db.connect(url, application_name="relayed")
        statements = await prepare(connection)
        relay.swallows = True
        with pytest.raises(OutcomeUnknown):
            await authorize_batch(statements, [order])
        assert relay.swallowed.is_set(), "the server had answered"
        connection.terminate()
    again = replace(order, payment_id=city.new_id())
    [answer] = await city.decide(lane, [again])
    assert answer.disposition is Disposition.REPEATED
    assert answer.outcome is Outcome.APPROVED
    assert answer.payment_id == order.payment_id
    await assert_books_are_right(admin)


async def test_a_twin_while_the_first_is_still_being_decided(
    city: City, database: Database, admin: asyncpg.Connection, lane: Statements
) -> None:
    """Asked again on another connection while the old one works: one decision, told to both."""
    payer, payee = await a_pair(city)
    [sender] = city.participants.values()
    order = city.order(sender, payer, payee, 10)
    slow = await db.connect(database.url(WORKER), application_name="slow")
    statements = await prepare(slow)
    async with admin.transaction():
        await admin.execute(LOCK, payer)
        first = asyncio.create_task(city.decide(statements, [order]))
        await until_it_waits(admin, "slow")
        second = asyncio.create_task(city.decide(lane, [replace(order, payment_id=city.new_id())]))
        await until_it_waits(admin, "lane")
    answers = [*await first, *await second]
    assert {answer.disposition for answer in answers} == {
        Disposition.DECIDED,
        Disposition.REPEATED,
    }
    assert {answer.payment_id for answer in answers} == {order.payment_id}
    await slow.close()


@pytest.mark.parametrize("hold", [{}, {"capture": False}], ids=["at once", "held"])
async def test_a_message_that_expires_while_it_waits(
    city: City, admin: asyncpg.Connection, lane: Statements, hold: dict[str, bool]
) -> None:
    """`expires_at` is held against the time of the decision, not of the arrival."""
    _, payee = await a_pair(city)
    [sender] = city.participants.values()
    payers = sorted([await city.account(sender, "wallet", balance=10) for _ in range(3)])
    await admin.execute("ANALYZE ledger.account")
    now = await admin.fetchval("SELECT clock_timestamp()")
    expires_at = now.replace(microsecond=0) + timedelta(seconds=2)
    orders = [
        city.order(sender, payer, payee, 10, expires_at=expires_at, **hold) for payer in payers
    ]
    async with admin.transaction():
        await admin.execute(LOCK, payers[-1])
        asked = asyncio.create_task(city.decide(lane, orders))
        await until_it_waits(admin, "lane")
        await admin.execute("SELECT pg_sleep_until($1)", expires_at)
    answers = await asked
    assert [answer.outcome for answer in answers] == [Outcome.EXPIRED] * 3


async def test_a_statement_that_waited_too_long_for_a_twin_is_unknown(
    city: City, database: Database, admin: asyncpg.Connection, lane: Statements
) -> None:
    """While an older backend holds the key, nobody says "not decided": it may still commit."""
    payer, payee = await a_pair(city)
    [sender] = city.participants.values()
    order = city.order(sender, payer, payee, 10)
    hasty = await db.connect(database.url(WORKER), application_name="hasty")
    statements = await prepare(hasty)
    await hasty.execute("SET statement_timeout = '200ms'")
    async with admin.transaction():
        await admin.execute(LOCK, payer)
        first = asyncio.create_task(city.decide(lane, [order]))
        await until_it_waits(admin, "lane")
        with pytest.raises(OutcomeUnknown):
            await authorize_batch(statements, [replace(order, payment_id=city.new_id())])
    [answer] = await first
    assert answer.disposition is Disposition.DECIDED
    await hasty.close()


async def test_a_fault_after_the_commit_leaves_the_outcome_unknown(
    city: City, admin: asyncpg.Connection, lane: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeat shares the batch, and what it was answered cannot be read: nobody is undecided."""
    payer, payee = await a_pair(city)
    [sender] = city.participants.values()
    order = city.order(sender, payer, payee, 6)
    [decided] = await city.decide(lane, [order])
    new = city.order(sender, payer, payee, 1)
    broken = {**ledger.QUERIES, "read_payments": "SELECT 1 / 0, $1::integer, $2::uuid[]"}
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "QUERIES", broken)
        with pytest.raises(OutcomeUnknown):
            await authorize_batch(lane, [new, order])
    assert (
        await admin.fetchval("SELECT outcome FROM ledger.payment WHERE id = $1", new.payment_id)
        == 0
    )
    assert decided.outcome is Outcome.APPROVED
