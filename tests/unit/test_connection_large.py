"""Large bodies and long answers at the edge: bounds of their own, and what is kept until when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import structs

from switch import limits
from switch.admission import Request
from switch.errors import Problem
from switch.reply import Answer, document, refused
from switch.service import Endpoint
from tests.unit.test_connection import HOST, Edge, get, post

LARGE_BYTES = 2 * limits.BODY_BYTES_MAX
PAUSING_BYTES = 16 * limits.READ_BUFFER_BYTES  # more than is read before somebody takes it
LONG_BYTES = 64 * 1024 * 1024  # more than the kernel keeps for a caller that does not read


class LargeEdge(Edge):
    """The server under test with an endpoint of large bodies and one of long answers."""

    def __init__(self) -> None:
        super().__init__(connections_max=10)
        self.taken = asyncio.Event()
        self.wanted = asyncio.Event()

    def _endpoints(self) -> tuple[Endpoint, ...]:
        like, *others = super()._endpoints()
        large = structs.replace(
            like, method="POST", path="/large", handler=self._large, body_bytes_max=LARGE_BYTES
        )
        late = structs.replace(
            large, path="/late", handler=self._late, body_bytes_max=PAUSING_BYTES
        )
        return like, *others, large, late, structs.replace(like, path="/long", handler=self._long)

    async def _large(self, request: Request) -> Answer:
        body = await request.read_body(LARGE_BYTES)
        return refused(body) if isinstance(body, Problem) else document({"bytes": len(body)})

    async def _late(self, request: Request) -> Answer:
        await self.wanted.wait()
        body = await request.read_body(PAUSING_BYTES)
        return refused(body) if isinstance(body, Problem) else document({"bytes": len(body)})

    async def is_pausing(self) -> None:
        """Wait until some connection reads no further."""
        while all(  # noqa: ASYNC110  nobody tells when
            connection.transport is not None and connection.transport.is_reading()
            for connection in self.server.connections
        ):
            await asyncio.sleep(0.01)

    async def _long(self, request: Request) -> Answer:
        request.after_answer = self.taken.set
        return document({"text": "x" * LONG_BYTES})


@asynccontextmanager
async def large_edge() -> AsyncIterator[LargeEdge]:
    """A server that listens while the block lasts."""
    made = LargeEdge()
    listener = await asyncio.get_running_loop().create_server(made.server, HOST, 0)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        await made.server.shutdown(0.1)


async def test_an_endpoint_of_large_bodies_has_a_bound_of_its_own() -> None:
    """What is too much for the others is read there, and beyond its own bound it is refused."""
    async with large_edge() as made:
        async with made.peer() as peer:
            answered = await peer.ask(post("/large", "x" * LARGE_BYTES))
            assert answered.json == {"bytes": LARGE_BYTES}
        async with made.peer() as peer:
            head = "POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n"
            peer.send(head.format("large", LARGE_BYTES + 1))
            assert (await peer.answer()).problem == "body-too-large"
        async with made.peer() as peer:
            peer.send(head.format("seen", limits.BODY_BYTES_MAX + 1))
            assert (await peer.answer()).problem == "body-too-large"
        async with made.peer() as peer:
            peer.send("POST /large HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(LARGE_BYTES // 4096 + 1):
                peer.send("1000\r\n", b"x" * 4096, "\r\n")
            assert (await peer.answer()).problem == "body-too-large"


async def test_a_body_that_is_taken_late_is_held_back_and_read_whole() -> None:
    """Reading stops when nobody takes what came, and goes on where it stopped, again and again."""
    async with large_edge() as made, made.peer() as peer:
        for _ in range(2):
            made.wanted.clear()
            peer.send(post("/late", "x" * PAUSING_BYTES))
            await asyncio.wait_for(made.is_pausing(), 5)
            made.wanted.set()
            assert (await peer.answer()).json == {"bytes": PAUSING_BYTES}


async def test_an_answer_is_kept_until_its_caller_has_read_it() -> None:
    """Only then is the room of the request free again."""
    async with large_edge() as made, made.peer() as peer:
        peer.send(get("/long"))
        await asyncio.sleep(0.2)
        assert not made.taken.is_set()
        assert len((await peer.answer()).body) > LONG_BYTES
        await asyncio.wait_for(made.taken.wait(), 5)


async def test_an_answer_that_nobody_waits_for_is_given_up() -> None:
    """A caller that leaves without reading gives the room back."""
    async with large_edge() as made:
        async with made.peer() as peer:
            peer.send(get("/long"))
            await asyncio.sleep(0.05)
        await asyncio.wait_for(made.taken.wait(), 5)
