"""Names of participants' servers, looked up by the system's name service on threads.

A look-up can be neither cancelled nor given less time than the system gives it. So each name is
looked up once at a time, however many calls wait for it: a name whose server hangs holds one thread
until the system gives up, and leaves the others to everybody else. Nothing is kept: who asks after
an answer has come asks anew.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from switch import limits

Found = list[tuple[Any, ...]]  # as socket.getaddrinfo answers


class Resolver(AbstractResolver):
    """What aiohttp asks for the addresses of a name; `end` it when nobody asks any more."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(
            max_workers=limits.CALLBACK_RESOLVERS_MAX, thread_name_prefix="resolver"
        )
        self._under_way: dict[tuple[str, int], asyncio.Future[Found]] = {}

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

    def _look_up(self, host: str, family: socket.AddressFamily) -> asyncio.Future[Found]:
        name = host, int(family)
        looking = self._under_way.get(name)
        if looking is None:
            looking = self._under_way[name] = asyncio.get_running_loop().run_in_executor(
                self._threads,
                lambda: socket.getaddrinfo(host, 0, family=family, type=socket.SOCK_STREAM),
            )
            looking.add_done_callback(lambda ended: self._forget(name, ended))
        return looking

    def _forget(self, name: tuple[str, int], ended: asyncio.Future[Found]) -> None:
        del self._under_way[name]
        if not ended.cancelled():
            ended.exception()  # seen, even when nobody waits any more
