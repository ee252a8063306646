"""Batches when something breaks: the link to the ledger, or the worker's time to go.

However a batch ends, each of its keys has one answer, and asking again tells it.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from switch import limits
from tests.databases import Database
from tests.integration.test_http_batch import bodies, item, problems, send, statuses
from tests.integration.test_http_faults import Relay, relay_to, serves_again, until_found
from tests.integration.town import Member, Town, open_town, until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def relay_and_url(database: Database) -> AsyncIterator[tuple[Relay, str]]:
    """A relay between the worker and Postgres."""
    async with relay_to(database) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(
    database: Database, relay_and_url: tuple[Relay, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A worker behind the relay."""
    folder = tmp_path_factory.mktemp("keys")
    async with open_town(database, folder, database_url=relay_and_url[1]) as made:
        yield made


async def test_a_link_that_breaks_under_a_batch(
    town: Town, relay_and_url: tuple[Relay, str], wallet: Member, payee: str
) -> None:
    """504 for what was sent; of the others the same payer's are not sent, another's are decided."""
    relay = relay_and_url[0]
    await serves_again(town)
    first = await town.account(wallet, "wallet", balance=10_000)
    second = await town.account(wallet, "wallet", balance=10_000)
    window = limits.BATCH_WINDOW_PAYMENTS
    items = [item(uuid4().hex, first, payee) for _ in range(window + 10)]
    items += [item(uuid4().hex, second, payee) for _ in range(10)]
    relay.lets_answers_pass.clear()
    task = asyncio.create_task(send(town, wallet, items))
    question = "SELECT count(*) FROM ledger.payment WHERE key = $1"
    await until_found(town, question, items[0][0])
    relay.cut()
    relay.lets_answers_pass.set()
    reply = await task
    assert statuses(reply) == [504] * window + [503] * 10 + [201] * 10, problems(reply)
    assert set(problems(reply)) == {"outcome-unknown", "overloaded", None}
    again = await send(town, wallet, items)
    assert statuses(again) == [200] * window + [201] * 10 + [200] * 10
    assert bodies(again)[-10:] == bodies(reply)[-10:]
    count = await town.operator.connection.fetchval(
        "SELECT count(*) FROM ledger.payment WHERE key = ANY ($1)", [key for key, _ in items]
    )
    assert count == len(items)


async def test_a_drain_in_mid_batch_loses_no_answer(database: Database, town: Town) -> None:
    """What was sent is decided, the rest refused undecided; both are told in the one answer."""
    async with (
        relay_to(database) as (relay, url),
        open_town(database, town.key_dir, database_url=url) as other,
    ):
        wallet = await other.member("wallet")
        payer = await other.account(wallet, "wallet", balance=10_000)
        payee = await other.account(wallet, "wallet")
        await other.pay(wallet, payer, payee, 1)
        relay.lets_answers_pass.clear()
        window = limits.BATCH_WINDOW_PAYMENTS
        items = [item(f"drain-{number}", payer, payee) for number in range(window + 20)]
        accepted = asyncio.create_task(send(other, wallet, items))
        await until(lambda: other.app.payments_in_flight == window, "a window is accepted")
        draining = asyncio.create_task(other.app.drain())
        await until(lambda: other.app.waiting_for() is not None, "the drain has begun")
        relay.lets_answers_pass.set()
        reply = await accepted
        assert statuses(reply) == [201] * window + [503] * 20
        assert problems(reply)[window:] == ["overloaded"] * 20
        assert reply.headers["Connection"] == "close"
        await asyncio.wait_for(draining, 10)
