"""Names of participants' servers, looked up by the system's name service on threads.

A look-up can be neither cancelled nor given less time than the system gives it. So whoever is
called has a few threads at most, and each of its names is looked up once at a time, however many
calls wait for it: a name whose server hangs holds one thread until the system gives up, and a
participant whose names all hang waits for itself. Nothing is kept: who asks after an answer has
come asks anew.
"""

import asyncio
import socket
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from switch import limits

Found = list[tuple[Any, ...]]  # as socket.getaddrinfo answers

# The participant that is being called: aiohttp asks for a name and does not say for whom.
called: ContextVar[str] = ContextVar("called")


class Resolver(AbstractResolver):
    """What aiohttp asks for the addresses of a name; `end` it when nobody asks any more."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(
            max_workers=limits.CALLBACK_RESOLVERS_MAX, thread_name_prefix="resolver"
        )
        self._shares: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(limits.PARTICIPANT_RESOLVERS_MAX)
        )
        self._under_way: dict[tuple[str, str, int], asyncio.Task[Found]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name; OSError when there are none."""
        found = await asyncio.shield(self._look_up(host, family))  # others may wait for it too
        return [
            ResolveResult(
                hostname=host,
                host=str(where[0]),
                port=port,
                family=family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for family, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Nothing: two sessions share it, and `end` ends it."""

    def end(self) -> None:
        """Give up what is under way; a thread that hangs ends when the system gives up."""
        for looking in self._under_way.values():
            looking.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, host: str, family: socket.AddressFamily) -> asyncio.Task[Found]:
        participant = called.get()
        name = participant, host, int(family)
        looking = self._under_way.get(name)
        if looking is None:
            looking = self._under_way[name] = asyncio.create_task(
                self._ask(self._shares[participant], host, family)
            )
            looking.add_done_callback(lambda ended: self._forget(name, ended))
        return looking

    async def _ask(
        self, share: asyncio.Semaphore, host: str, family: socket.AddressFamily
    ) -> Found:
        async with share:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads,
                lambda: socket.getaddrinfo(host, 0, family=family, type=socket.SOCK_STREAM),
            )

    def _forget(self, name: tuple[str, str, int], ended: asyncio.Task[Found]) -> None:
        del self._under_way[name]
        if not ended.cancelled():
            ended.exception()  # seen, even when nobody waits any more
