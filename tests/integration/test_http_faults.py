"""The link to the ledger breaks, is silent, or comes back: what callers are told, and the truth.

The worker reaches Postgres through a relay of this test, which can hold back what either side says
and cut every connection at the moment it chooses: before the commit, or after it, when only the
answer is lost.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

import pytest
import pytest_asyncio

from switch.cluster import PORT
from tests.databases import WORKER, Database
from tests.integration.town import Member, Reply, Town, eventually, open_town, payment, until

PIECE_BYTES = 65536
SOCKET = f".s.PGSQL.{PORT}"


class Relay:
    """Passes bytes between the worker and Postgres, over unix sockets, until told otherwise."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_open = True
        self.lets_requests_pass = asyncio.Event()
        self.lets_answers_pass = asyncio.Event()
        self.lets_requests_pass.set()
        self.lets_answers_pass.set()
        self.held_bytes = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the worker."""
        if not self.is_open:
            writer.close()
            return
        from_server, to_server = await asyncio.open_unix_connection(str(self._server))
        self._writers |= {writer, to_server}
        for task in (
            asyncio.create_task(self._pass(reader, to_server, self.lets_requests_pass)),
            asyncio.create_task(self._pass(from_server, writer, self.lets_answers_pass)),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                if not gate.is_set():
                    self.held_bytes += len(piece)
                    await gate.wait()
                writer.write(piece)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Break every connection now; what was held back is lost."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.held_bytes = 0


@asynccontextmanager
async def relay_to(database: Database) -> AsyncIterator[tuple[Relay, str]]:
    """A relay, and the URL by which a worker comes through it."""
    url = database.url(WORKER)
    host = re.search(r"host=([^&]+)", url)
    assert host is not None, "the embedded server listens on a unix socket"
    with tempfile.TemporaryDirectory(prefix="relay") as folder:  # short, as socket paths must be
        relay = Relay(Path(unquote(host[1])) / SOCKET)
        listener = await asyncio.start_unix_server(relay.serve, f"{folder}/{SOCKET}")
        try:
            yield relay, url.replace(host[1], quote(folder, safe=""))
        finally:
            relay.cut()
            listener.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def relay_and_url(database: Database) -> AsyncIterator[tuple[Relay, str]]:
    """The relay of this file."""
    async with relay_to(database) as made:
        yield made


@pytest.fixture
def relay(relay_and_url: tuple[Relay, str]) -> Relay:
    """What the tests turn."""
    return relay_and_url[0]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(
    database: Database,
    relay_and_url: tuple[Relay, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Town]:
    """A worker behind the relay."""
    folder = tmp_path_factory.mktemp("keys")
    async with open_town(database, folder, database_url=relay_and_url[1]) as made:
        yield made


async def serves_again(town: Town) -> None:
    """Wait until the worker has its connections back."""
    await until(lambda: town.app.waiting_for() is None, "the worker serves again", within_s=20)


def send(town: Town, sender: Member, content: dict[str, object], key: str) -> "asyncio.Task[Reply]":
    """Begin to send one payment."""
    return asyncio.create_task(town.send(sender, "POST", "/v1/payments", content=content, key=key))


async def until_found(town: Town, question: str, key: str) -> None:
    """Wait until the ledger counts something under this key: it has committed."""
    async with asyncio.timeout(10):
        while not await town.operator.connection.fetchval(question, key):
            pass


async def stored(town: Town, key: str) -> int:
    """How many payments the ledger has under this key."""
    count: int = await town.operator.connection.fetchval(
        "SELECT count(*) FROM ledger.payment WHERE key = $1", key
    )
    return count


async def test_a_link_that_breaks_after_the_commit(
    town: Town, relay: Relay, wallet: Member, payer: str, payee: str
) -> None:
    """504, signed: unknown; sent again with the same key it is the decision, made once."""
    await serves_again(town)
    content, key = payment(payer, payee, 100), uuid4().hex
    relay.lets_answers_pass.clear()
    task = send(town, wallet, content, key)
    await until_found(town, "SELECT count(*) FROM ledger.payment WHERE key = $1", key)
    relay.cut()
    relay.lets_answers_pass.set()
    reply = await task
    assert (reply.status, reply.problem) == (504, "outcome-unknown")
    assert reply.is_signed
    await serves_again(town)
    repeat = await send(town, wallet, content, key)
    assert (repeat.status, repeat.json["status"]) == (200, "completed")
    assert repeat.headers["Idempotent-Replayed"] == "true"
    assert await stored(town, key) == 1
    shown = await town.send(wallet, "GET", f"/v1/accounts/{payer}")
    assert shown.json["balance"] == 9_900


async def test_a_link_that_breaks_before_the_commit(
    town: Town, relay: Relay, wallet: Member, payer: str, payee: str
) -> None:
    """504 as well, because nobody can tell; sent again with the same key it is decided then."""
    await serves_again(town)
    content, key = payment(payer, payee, 100), uuid4().hex
    relay.lets_requests_pass.clear()
    task = send(town, wallet, content, key)
    await until(lambda: relay.held_bytes > len(str(content)), "the statement was sent")
    relay.cut()
    relay.lets_requests_pass.set()
    reply = await task
    assert (reply.status, reply.problem) == (504, "outcome-unknown")
    assert await stored(town, key) == 0
    await serves_again(town)
    assert (await send(town, wallet, content, key)).status == 201


async def test_connections_that_were_cut_while_idle_cost_nobody_anything(
    town: Town, relay: Relay, wallet: Member, payer: str, payee: str
) -> None:
    """Nothing was in flight: the next payments are decided on new connections."""
    await serves_again(town)
    relay.cut()
    replies = await asyncio.gather(
        *(send(town, wallet, payment(payer, payee, 1), uuid4().hex) for _ in range(20))
    )
    assert {reply.status for reply in replies} <= {201, 504}
    await serves_again(town)
    assert (await send(town, wallet, payment(payer, payee, 1), uuid4().hex)).status == 201
    assert (await town.send(wallet, "GET", f"/v1/accounts/{payer}")).status == 200


async def test_without_a_database_callers_are_told_at_once_and_boundedly(
    town: Town, relay: Relay, wallet: Member, payer: str, payee: str
) -> None:
    """503 with Retry-After while it is away; decided again when it is back."""
    await serves_again(town)
    relay.is_open = False
    relay.cut()
    key = uuid4().hex
    reply = await eventually(lambda: town.pay(wallet, payer, payee, 1, key=key), 503)
    assert reply.problem == "ledger-unavailable"
    assert int(reply.headers["Retry-After"]) >= 1
    assert (await town.raw("GET", "/readyz")).status == 503
    assert (await town.raw("GET", "/livez")).status == 200
    relay.is_open = True
    await serves_again(town)
    assert (await town.pay(wallet, payer, payee, 1, key=key)).status == 201
    assert (await town.raw("GET", "/readyz")).status == 200


async def test_an_account_operation_whose_answer_is_lost(
    town: Town, relay: Relay, wallet: Member, payer: str
) -> None:
    """504 for the freeze that may have been done; the repeat tells that it was."""
    await serves_again(town)
    target, key = f"/v1/accounts/{payer}/freeze", uuid4().hex
    first = f"/v1/accounts/{payer}/unfreeze"  # so that the statement is prepared
    assert (await town.send(wallet, "POST", first, key=uuid4().hex)).status == 201
    relay.lets_answers_pass.clear()
    task = asyncio.create_task(town.send(wallet, "POST", target, key=key))
    await until_found(town, "SELECT count(*) FROM ledger.account_operation WHERE key = $1", key)
    relay.cut()
    relay.lets_answers_pass.set()
    reply = await task
    assert (reply.status, reply.problem) == (504, "outcome-unknown")
    await serves_again(town)
    repeat = await town.send(wallet, "POST", target, key=key)
    assert (repeat.status, repeat.json["status"]) == (200, "frozen")


async def test_the_books_are_right_after_all_that(town: Town) -> None:
    """Cut connections lost nothing and doubled nothing."""
    assert await town.operator.check_books() == []


async def test_a_drain_answers_what_was_accepted_and_refuses_the_rest(
    database: Database, town: Town
) -> None:
    """SIGTERM's work: payments in flight get their decisions, new ones 503, then all is closed."""
    async with (
        relay_to(database) as (relay, url),
        open_town(database, town.key_dir, database_url=url) as other,
    ):
        wallet = await other.member("wallet")
        payer = await other.account(wallet, "wallet", balance=100)
        payee = await other.account(wallet, "wallet")
        await other.pay(wallet, payer, payee, 1)
        relay.lets_answers_pass.clear()
        accepted = [
            send(other, wallet, payment(payer, payee, 1), f"accepted-{number}")
            for number in range(5)
        ]
        await until(lambda: other.app.payments_in_flight == 5, "they are accepted")
        draining = asyncio.create_task(other.app.drain())
        await until(lambda: other.app.waiting_for() is not None, "the drain has begun")
        relay.lets_answers_pass.set()
        replies = await asyncio.gather(*accepted)
        assert {reply.status for reply in replies} == {201}
        assert {reply.headers["Connection"] for reply in replies} == {"close"}
        await asyncio.wait_for(draining, 10)
        with pytest.raises(OSError, match=r"Cannot connect"):
            await other.pay(wallet, payer, payee, 1)
