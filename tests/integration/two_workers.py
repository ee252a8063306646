"""A switch of two worker processes, with a connection to each of them.

The kernel spreads connections over the workers. Each connection here is made from a port of its own
and kept, and the worker that holds its other end is found in /proc; so a test can say which worker
it talks to.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import aiohttp

from switch import limits
from switch.admin import connected
from switch.serving import ServeOptions, serving
from tests.databases import ADMIN, JOBS, WORKER, Database
from tests.integration.town import HOST, Member, Place, Reply, free_port

WORKERS = 2
CONNECTIONS_TRIED_MAX = 64  # that all of them meet one worker happens once in 10^19 runs
KEPT_S = 3600  # longer than any test; the switch itself ends a connection that is idle for 75 s


@dataclass(slots=True, kw_only=True)
class TwoWorkers(Place):
    """Both workers: one request after the other goes to the next of them."""

    doors: list[aiohttp.ClientSession]
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)

    async def raw(self, *arguments: Any, **settings: Any) -> Reply:
        """Send exactly this, through the next door."""
        self.session = self.doors[next(self._turns) % len(self.doors)]
        return await Place.raw(self, *arguments, **settings)

    def at(self, number: int) -> Self:
        """The same switch, seen through one of its workers only."""
        return replace(self, doors=[self.doors[number % len(self.doors)]])

    async def until_known(self, member: Member) -> None:
        """Wait until both know the key that the operator has just added."""
        for number in range(len(self.doors)):
            await Place.until_known(self.at(number), member)

    async def at_once(self, turn: int, *requests: "Coroutine[Any, Any, Any]") -> list[Any]:
        """What came of requests that are begun together, in an order that changes by the turn."""
        places = [(turn + place) % len(requests) for place in range(len(requests))]
        done = await asyncio.gather(*(requests[place] for place in places))
        return [result for _, result in sorted(zip(places, done, strict=True), key=lambda p: p[0])]


@asynccontextmanager
async def open_two_workers(database: Database, folder: Path) -> AsyncIterator[TwoWorkers]:
    """Serve a migrated database by two workers and the jobs, and end them afterwards."""
    options = ServeOptions(
        host=HOST,
        port=0,
        admin_host=HOST,
        admin_port=0,
        worker_count=WORKERS,
        authorities=(),
        data_dir=folder,
        key_dir=folder / "keys",
        database_url=database.url(WORKER),
        jobs_database_url=database.url(JOBS),
        admin_database_url=database.url(ADMIN),
        tls_cert=None,
        tls_key=None,
        reads_per_s=limits.READS_PER_S_MAX,  # tests look often
    )
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(connected(database.url()))
        running = await stack.enter_async_context(serving(options, messages=folder / "messages"))
        workers = [child.pid for child in running.supervisor.children[:WORKERS]]
        port = running.config.port
        doors = await _doors(stack, port, [pid for pid in workers if pid is not None])
        yield TwoWorkers(
            port=port, database=database, operator=operator, session=doors[0], doors=doors
        )


async def _doors(
    stack: AsyncExitStack, port: int, workers: list[int]
) -> list[aiohttp.ClientSession]:
    """One kept connection to each worker."""
    doors: dict[int, aiohttp.ClientSession] = {}
    for _ in range(CONNECTIONS_TRIED_MAX):
        own_port = free_port()
        connector = aiohttp.TCPConnector(
            limit=1, keepalive_timeout=KEPT_S, local_addr=(HOST, own_port)
        )
        session = aiohttp.ClientSession(connector=connector)
        async with session.get(f"http://{HOST}:{port}/livez") as answer:
            await answer.read()
        worker = _holder(_inode(port, own_port), workers)
        if worker in doors:
            await session.close()
            continue
        doors[worker] = await stack.enter_async_context(session)
        if len(doors) == len(workers):
            return [doors[pid] for pid in workers]
    raise AssertionError("the kernel gave every connection to one worker")


def _inode(port: int, own_port: int) -> str:
    """The number of the switch's end of our connection."""
    address = f"0100007F:{port:04X}", f"0100007F:{own_port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    [inode] = [row[9] for row in rows if (row[1], row[2]) == address]
    return inode


def _holder(inode: str, workers: list[int]) -> int:
    """The worker that holds this end open."""
    return next(pid for pid in workers if f"socket:[{inode}]" in set(_open_files(pid)))


def _open_files(pid: int) -> Iterator[str]:
    for entry in (Path("/proc") / str(pid) / "fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            yield os.readlink(entry)
