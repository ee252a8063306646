"""The timeline of a payment in the ledger: what is kept of a message, what is found again of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from switch.ledger import Order, Statements, authorize_batch, decide_steps
from switch.queries import QUERIES
from switch.timeline import Timeline, TimelineEntry
from switch.traceparent import read_trace
from switch.trail import read_timeline
from switch.upkeep import fold_credits, sequence_events
from tests.ledger.city import NOON, City
from tests.ledger.test_events import READ_EVENTS
from tests.ledger.test_steps import AMOUNT, HOUR, Stage, set_up

TRACE = read_trace(["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])


@pytest_asyncio.fixture(loop_scope="session")
async def stage(city: City, lane: Statements) -> Stage:
    """A clock that stands still, and money in the wallet."""
    return await set_up(city, lane, balance=1_000 * AMOUNT)


def a_purchase(stage: Stage, amount: int = 1) -> Order:
    """A small purchase in the shop."""
    return stage.city.order(stage.provider, stage.wallet, stage.shop, amount, type="purchase")


async def timeline(stage: Stage, payment: UUID | str, reader: int | None = None) -> Timeline:
    """As a worker reads it, for a participant or for the operator."""

    async def fetch(query: str, *arguments: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await stage.lane.connection.fetch(QUERIES[query], *arguments)
        return rows

    found = await read_timeline(fetch, reader, UUID(str(payment)))
    assert found is not None
    return found


def only(found: Timeline, what: str) -> TimelineEntry:
    """The one entry of a kind."""
    [entry] = [entry for entry in found.entries if entry.what == what]
    return entry


async def key_no(stage: Stage, participant: str) -> int:
    """A key of a participant, by its number."""
    await stage.city.admin.execute(
        "SELECT ledger.add_key($1, '2026-11', sha256($2), $3, $4)",
        participant, participant.encode(), NOON - HOUR, NOON + HOUR,
    )  # fmt: skip
    rows = await stage.city.admin.fetch("SELECT * FROM ledger.read_participants()")
    return next(int(row["key_no"]) for row in rows if row["participant"] == participant)


async def test_each_message_of_a_batch_keeps_its_own_origin(stage: Stage) -> None:
    """Key, waiting time and trace are of the message; what it did not bring stays away."""
    number = await key_no(stage, stage.provider.id)
    first = msgspec.structs.replace(a_purchase(stage), key_no=number, trace=TRACE)
    second = a_purchase(stage)
    await authorize_batch(stage.lane, [first, second], [17, 4_000_000])
    found = await timeline(stage, first.payment_id)
    received, decided = only(found, "received"), only(found, "decided")
    assert TRACE is not None
    assert received.key_id == f"{stage.provider.id}/2026-11"
    assert (received.traceparent, received.span_id) == (TRACE.received, TRACE.span_id)
    assert decided.queue_us == 17
    assert decided.work_us is not None
    assert 0 < decided.work_us < 60_000_000
    plain = await timeline(stage, second.payment_id)
    assert (only(plain, "received").key_id, only(plain, "received").traceparent) == (None, None)
    assert only(plain, "decided").queue_us == 4_000_000


async def test_the_time_that_a_lock_took_is_work(stage: Stage, city: City) -> None:
    """Work counts from the statement's arrival, so an operator sees that it waited for a lock."""
    order = a_purchase(stage)
    async with city.admin.transaction():
        await city.admin.execute(
            "SELECT FROM ledger.account WHERE id = $1 FOR UPDATE", stage.wallet
        )
        waiting = asyncio.create_task(authorize_batch(stage.lane, [order]))
        await asyncio.sleep(0)
        await city.admin.execute("SELECT pg_sleep(0.3)")
    await waiting
    work_us = only(await timeline(stage, order.payment_id), "decided").work_us
    assert work_us is not None
    assert work_us >= 250_000


async def test_a_step_keeps_its_origin(stage: Stage) -> None:
    """As a payment does, and only who took it may know."""
    number = await key_no(stage, stage.merchant.id)
    held = await stage.pay()
    capture = msgspec.structs.replace(stage.step(held.id, "capture"), key_no=number, trace=TRACE)
    await decide_steps(stage.lane, [capture], [23])
    found = await timeline(stage, held.id, stage.merchant.no)
    received, decided = (
        next(one for one in found.entries if (one.id, one.what) == (str(capture.payment_id), what))
        for what in ("received", "decided")
    )
    assert TRACE is not None
    assert (received.key_id, received.span_id) == (f"{stage.merchant.id}/2026-11", TRACE.span_id)
    assert decided.queue_us == 23
    theirs = await timeline(stage, held.id, stage.provider.no)
    assert not any(one.key_id or one.queue_us or one.span_id for one in theirs.entries)


async def test_the_posting_of_a_credit_is_found_among_many(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """Whatever the number of folds and the payments of the payee between them: as the statement."""
    orders = []
    for number in range(23):
        await stage.city.set_time(NOON + number * timedelta(seconds=1))
        batch = [a_purchase(stage, amount) for amount in range(1, 1 + number % 4)]
        if batch:
            await authorize_batch(stage.lane, batch)
        orders += batch
        if number % 3:
            await fold_credits(jobs, 1_000)
        if number == 11:
            out = stage.city.order(stage.merchant, stage.shop, stage.wallet, 2)
            await authorize_batch(stage.lane, [out])
    await fold_credits(jobs, 1_000)
    statement = {
        row["payment"]: row
        for row in await stage.lane.connection.fetch(
            QUERIES["read_entries"], stage.merchant.no, stage.shop, 0, 0, 200
        )
    }
    for order in orders:
        credit = only(await timeline(stage, order.payment_id, stage.merchant.no), "credited")
        row = statement[order.payment_id]
        assert (credit.posting, credit.item) == (row["posting"], row["item"])
        assert (credit.amount, credit.balance_after) == (row["amount"], row["balance_after"])


async def test_the_event_of_a_payment_is_found_among_many(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """Of each feed the one event that told of it, by its number there."""
    orders = []
    for number in range(12):
        await stage.city.set_time(NOON + number * timedelta(seconds=2))
        batch = [a_purchase(stage) for _ in range(3)]
        await authorize_batch(stage.lane, batch)
        orders += batch
        await sequence_events(jobs, 1_000)
    for reader in (stage.provider, stage.merchant):
        feed = await stage.lane.connection.fetch(READ_EVENTS, reader.no, 0, 200)
        numbers = {row["subject"]: row["no"] for row in feed}
        for order in orders:
            told = only(await timeline(stage, order.payment_id, reader.no), "told")
            assert (told.participant, told.number) == (reader.id, numbers[order.payment_id])
    everything = await timeline(stage, orders[0].payment_id)
    told_to = {entry.participant for entry in everything.entries if entry.what == "told"}
    assert told_to == {stage.provider.id, stage.merchant.id}


async def test_a_hold_that_ends_shows_what_it_still_kept(
    stage: Stage, jobs: asyncpg.Connection
) -> None:
    """At its time, whether or not that is posted; later its event."""
    held = await stage.pay(hold_seconds=3600)
    await stage.taken(held.id, "capture", amount=AMOUNT // 4)
    assert "expired" not in [entry.what for entry in (await timeline(stage, held.id)).entries]
    await stage.city.set_time(NOON + 2 * HOUR)
    expired = only(await timeline(stage, held.id), "expired")
    assert (expired.at, expired.amount) == (held.hold_expires_at, AMOUNT - AMOUNT // 4)
    await jobs.fetchval(QUERIES["expire_holds"], 0, 100)
    await sequence_events(jobs, 1_000)
    found = await timeline(stage, held.id, stage.provider.no)
    assert only(found, "expired") == expired
    assert [entry.event for entry in found.entries if entry.what == "told"][-1] == "payment.expired"


async def test_what_a_last_step_releases_is_shown(stage: Stage) -> None:
    """With a final capture or a void: what the hold kept until then; to both sides."""
    captured, voided, used_up = [await stage.pay() for _ in range(3)]
    for held in (captured, voided):
        await stage.taken(held.id, "capture", amount=AMOUNT // 4)
    final = await stage.taken(captured.id, "capture", amount=AMOUNT // 2, final=True)
    void = await stage.taken(voided.id, "void")
    await stage.taken(used_up.id, "capture", final=True)
    rest = {final.id: AMOUNT // 4, void.id: AMOUNT - AMOUNT // 4}
    for held, step in ((captured, final), (voided, void)):
        found = await timeline(stage, held.id)
        released = only(found, "released")
        assert (released.id, released.amount) == (step.id, rest[step.id])
        for reader in (stage.provider.no, stage.merchant.no):
            assert only(await timeline(stage, held.id, reader), "released") == released
        of_step = [entry.what for entry in found.entries if entry.id == step.id]
        assert of_step.index("decided") < of_step.index("released")
    whole = await timeline(stage, used_up.id)
    assert "released" not in [entry.what for entry in whole.entries]


async def test_a_declined_payment_has_a_decision_and_nothing_more(stage: Stage) -> None:
    """It moved nothing, held nothing, and nobody is told."""
    payment = await stage.pay(amount=10**9)
    found = await timeline(stage, payment.id)
    assert [entry.what for entry in found.entries] == ["received", "decided"]
    decided = only(found, "decided")
    assert (decided.status, decided.reason) == ("declined", "insufficient_funds")
    assert decided.hold_expires_at is None


async def test_an_id_dates_the_arrival_of_its_message(stage: Stage) -> None:
    """To the millisecond; a message never stands behind its decision, whatever the clocks say."""
    order = a_purchase(stage)
    await authorize_batch(stage.lane, [order])
    found = await timeline(stage, order.payment_id)
    first = found.entries[0]
    arrived_at = datetime.fromisoformat(first.at)
    assert first.what == "received"
    assert arrived_at == datetime.fromtimestamp((order.payment_id.int >> 80) / 1000, UTC)
    assert arrived_at > NOON, "the ledger's clock is the test's, the id's is not"


async def test_a_timeline_that_is_cut_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payment first, then its steps from the first on; a stranger's take nobody's place."""
    held = await stage.pay()
    for _ in range(3):
        await stage.take(stage.step(held.id, "refund", stage.stranger))
    first = await stage.taken(held.id, "capture", amount=1)
    whole = await timeline(stage, held.id, stage.provider.no)
    assert whole.is_complete
    await stage.taken(held.id, "capture", amount=1)
    monkeypatch.setattr("switch.limits.TIMELINE_MESSAGES_MAX", 2)
    found = await timeline(stage, held.id, stage.provider.no)
    assert not found.is_complete
    decided = [entry.id for entry in found.entries if entry.what == "decided"]
    assert decided == [held.id, first.id]


async def test_the_operator_sees_everything(stage: Stage, jobs: asyncpg.Connection) -> None:
    """Both sides' postings, every feed, and the step of a stranger that found nothing."""
    payment = await stage.pay(capture=True)
    refused = await stage.taken(payment.id, "refund", sender=stage.stranger)
    await fold_credits(jobs, 1_000)
    found = await timeline(stage, payment.id)
    assert only(found, "debited").account == str(stage.wallet)
    assert only(found, "credited").account == str(stage.shop)
    assert refused.id in {entry.id for entry in found.entries}
