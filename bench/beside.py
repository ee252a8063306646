"""What stands beside the switch for comparison: a database of its own, servers of their own.

The database is in the same cluster, so with the same settings on the same disk. The servers are
aiohttp applications in processes of their own that share one port, as the workers of the switch do;
they end when this process does, however it ends.
"""

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiohttp import web

from bench.stage import BenchError, Stage
from switch import db

HOST = "127.0.0.1"
READY_WAIT_S = 60.0  # for a process to start, to connect and to listen

Make = Callable[[], Awaitable[web.Application]]


async def create_database(stage: Stage, name: str) -> asyncpg.Connection:
    """A new, empty database, and a connection to it."""
    await stage.operator.connection.execute(f"CREATE DATABASE {name}")
    return await db.connect(database_url(stage, name), application_name="bench")


def database_url(stage: Stage, name: str) -> str:
    """How another database of the same cluster is reached."""
    return urlunsplit(urlsplit(stage.database.url())._replace(path=f"/{name}"))


@asynccontextmanager
async def serving(make: Make, count: int) -> AsyncIterator[tuple[str, list[int]]]:
    """The URL and the process ids of so many servers, which run while the block lasts."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        port = stack.enter_context(reserved_port())
        ends: list[Connection] = []
        pids: list[int] = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve_in_process, args=(make, port, theirs))
            process.start()
            assert process.pid is not None, "it was started"
            pids.append(process.pid)
            stack.callback(process.join)
            stack.callback(process.kill)
            theirs.close()
            ends.append(ours)
        for end in ends:
            await asyncio.to_thread(_await_ready, end)
        yield f"http://{HOST}:{port}", pids


@contextmanager
def reserved_port() -> Iterator[int]:
    """A free port that servers may share; this end never listens, so it gets no connection."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((HOST, 0))
        yield holder.getsockname()[1]


def _await_ready(end: Connection) -> None:
    try:
        if not end.poll(READY_WAIT_S):
            raise BenchError(f"a server was not ready within {READY_WAIT_S:g} s")
        end.recv()
    except EOFError:
        raise BenchError("a server failed; its message is above") from None


def serve_in_process(make: Make, port: int, parent: Connection) -> None:
    """The whole life of one server."""
    import uvloop

    uvloop.run(_serve(make, port, parent))


async def _serve(make: Make, port: int, parent: Connection) -> None:
    runner = web.AppRunner(await make(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, reuse_port=True).start()
    parent.send("ready")
    await asyncio.to_thread(_await_end, parent)
    await runner.cleanup()


def _await_end(parent: Connection) -> None:
    """Until the parent is gone: it says nothing, and its end of the pipe closes with it."""
    try:
        parent.recv()
    except EOFError:
        return
