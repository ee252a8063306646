"""Clients that are slow on purpose: they hold connections while everything else goes on.

silent      connect and say nothing
half a head send a good beginning, then a byte now and then, and never the end
half a body the same after a head that is well signed
unread      ask again and again, and never read an answer
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from switch import limits
from switch.clock import SYSTEM_CLOCK
from tests.fuzz.http_corpus import with_lines
from tests.fuzz.target import Target
from tests.fuzz.wire import HOST, WireAnswer, assemble, parse_answers

EACH = 25  # clients of a kind
PAUSE_S = 0.5  # between two bytes
END_WAIT_S = 120.0  # longer than any bound of the switch, so that a client left alone is seen


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClients:
    """What became of them, by kind."""

    ends: dict[str, list["asyncio.Task[bytes]"]]

    async def answers(self, kind: str) -> list[list[WireAnswer]]:
        """What each was answered before the switch ended its connection."""
        received = await asyncio.gather(*self.ends[kind])
        return [parse_answers(data)[0] for data in received]


@asynccontextmanager
async def slow_clients(target: Target) -> AsyncIterator[SlowClients]:
    """They begin, and are still there, as far as the switch lets them, until the block ends."""
    kinds: dict[str, Callable[[Target], Awaitable[bytes]]] = {
        "silent": _silent,
        "half a head": _half_a_head,
        "half a body": _half_a_body,
        "unread": _unread,
    }
    ends = {
        kind: [asyncio.ensure_future(client(target)) for _ in range(EACH)]
        for kind, client in kinds.items()
    }
    try:
        yield SlowClients(ends=ends)
    finally:
        tasks = [task for kind in ends.values() for task in kind]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _silent(target: Target) -> bytes:
    return await _trickle(target, b"", b"")


async def _half_a_head(target: Target) -> bytes:
    sent = target.signed_payment(target.wallet, target.payment(), key="slow-head")
    return await _trickle(target, sent.head[:-2], b"X-Slow: " + b"x" * 1000)


async def _half_a_body(target: Target) -> bytes:
    sent = target.signed_payment(target.wallet, target.payment(), key="slow-body")
    head = with_lines(sent, "Content-Length", b"Content-Length: %d" % limits.BODY_BYTES_MAX)
    return await _trickle(target, head, b" " * limits.BODY_BYTES_MAX)


async def _trickle(target: Target, first: bytes, rest: bytes) -> bytes:
    """Send so slowly that it takes longer than anybody waits; what was answered until the end."""
    reader, writer = await target.connect()
    received = asyncio.ensure_future(_until_end(reader))
    try:
        with suppress(ConnectionError):
            writer.write(first)
            for byte in rest:
                writer.write(bytes([byte]))
                await asyncio.wait({received}, timeout=PAUSE_S)
                if received.done():
                    break
        return await asyncio.wait_for(received, END_WAIT_S)
    finally:
        received.cancel()
        writer.close()


async def _until_end(reader: asyncio.StreamReader) -> bytes:
    """What came until the switch ended the connection, in whichever way."""
    received = bytearray()
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            received += piece
    return bytes(received)


async def _unread(target: Target) -> bytes:
    """Pipelined requests with long answers into a small window, until the switch breaks off."""
    request = assemble(b"GET /openapi.json HTTP/1.1", [f"Host: {target.authority}".encode()])
    give_up_at_s = SYSTEM_CLOCK.monotonic_s() + END_WAIT_S
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (HOST, target.port))
        while SYSTEM_CLOCK.monotonic_s() < give_up_at_s:
            try:
                connection.send(request * 100)
            except BlockingIOError:
                await asyncio.sleep(PAUSE_S)  # nobody reads, and the connection is still there
            except ConnectionError:
                return b""
        raise AssertionError("a caller that never reads keeps its connection")
