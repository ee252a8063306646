"""Participants' own servers for tests: real ones on loopback that note what they are sent."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(slots=True, kw_only=True)
class Server:
    """A participant's server on loopback, and what it was sent."""

    port: int
    requests: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is called."""
        return f"http://127.0.0.1:{self.port}/events"


async def answers_ok(_: web.BaseRequest) -> web.StreamResponse:
    """Takes everything."""
    return web.Response(text="ok")


@asynccontextmanager
async def running(
    handler: Handler = answers_ok, *, context: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[Server]:
    """A server while the block lasts."""
    server = Server(port=port)

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        server.requests.append(request)
        server.bodies.append(await request.read())
        return await handler(request)

    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def takes_all(_: dict[str, Any]) -> int:
    """The status for an event that is welcome."""
    return 200


@dataclass(slots=True, kw_only=True)
class Inbox:
    """A receiver of events: which were sent, in which order, and which of them it took."""

    status: Callable[[dict[str, Any]], int] = takes_all
    sent: list[dict[str, Any]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[web.BaseRequest, bytes]] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    at_once_most: int = 0

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def receive(self, request: web.BaseRequest) -> web.StreamResponse:
        """Note one event and answer what is to be answered to it."""
        body = await request.read()
        event = json.loads(body)
        self.sent.append(event)
        self.requests.append((request, body))
        self.at_once += 1
        self.at_once_most = max(self.at_once_most, self.at_once)
        try:
            await self.may_answer.wait()
            status = self.status(event)
        finally:
            self.at_once -= 1
        if 200 <= status < 300:
            self.taken.append(event)
        return web.Response(status=status)

    @property
    def taken_numbers(self) -> list[int]:
        """The numbers of what it took, as they came."""
        return [event["number"] for event in self.taken]

    def attempts(self, number: int) -> int:
        """How often an event was sent."""
        return sum(event["number"] == number for event in self.sent)


def payment_of(event: dict[str, Any]) -> str:
    """The payment that an event is about, or that of its step."""
    if event["key"]:
        about = event["key"]["id"]
    else:
        about = event["step"]["parent"] if event["step"] else event["payment"]["id"]
    return str(about)
