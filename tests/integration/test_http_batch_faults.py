"""Batches when something breaks: the link to the ledger, or the worker's time to go.

However a batch ends, each of its keys has one answer, and asking again tells it.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from switch import limits
from switch.clock import SYSTEM_CLOCK
from switch.signing import sign_request
from tests.databases import Database
from tests.integration.test_http_batch import batch_body, bodies, item, problems, send, statuses
from tests.integration.test_http_faults import Relay, relay_to, serves_again, until_found
from tests.integration.town import HOST, Member, Town, open_town, until


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


async def test_a_drain_waits_for_a_batch_whose_body_is_on_its_way(
    database: Database, town: Town
) -> None:
    """What was taken on is answered, signed: nothing of it is decided any more."""
    async with open_town(database, town.key_dir) as other:
        wallet = await other.member("wallet")
        payer = await other.account(wallet, "wallet", balance=10)
        body = batch_body([item(f"slow-{number}", payer, payer) for number in range(100)])
        signed = sign_request(
            wallet.key,
            method="POST",
            authority=other.authority,
            path="/v1/payments/batch",
            query=None,
            body=body,
            idempotency_key="slow",
            created=SYSTEM_CLOCK.now_us() // 1_000_000,
        )
        fields = signed.headers | {
            "Host": other.authority,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Expect": "100-continue",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        reader, writer = await asyncio.open_connection(HOST, other.port)
        writer.write(f"POST /v1/payments/batch HTTP/1.1\r\n{head}\r\n".encode() + body[:1000])
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        draining = asyncio.create_task(other.app.drain())
        await asyncio.wait({draining}, timeout=4 * limits.SHUTDOWN_S_MAX)
        assert not draining.done()
        keys = other.app.participants
        await until(lambda: keys.age_s < 0.5, "the keys were just confirmed")
        writer.write(body[1000:])
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.count(b"urn:switch:problem:overloaded") == 100
        await asyncio.wait_for(draining, 10)
