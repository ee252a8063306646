"""HTTP for a simulated participant: requests of the switch in, signed answers out, and its knobs.

A request is verified, meets its fate, is acted upon, waits until that is on disk, and is answered.
What acting means is the business of the room that is served. `GET` and `PUT /knobs` and
`GET /figures` are for whoever runs the simulation: unsigned, and for callers on this machine only.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from switch import limits
from switch.bank_message import BankAnswer
from switch.clock import Clock
from switch.config import in_url, is_loopback, known_authorities
from switch.errors import Problem, SwitchError
from switch.keyfile import generate_seed
from switch.message import malformed
from switch.reply import Answer, document, refused, signed
from switch.signature import SigningKey, signing_key
from switch.simulate.door import Asked, Door, SwitchKeys
from switch.simulate.knobs import BankKnobs, Dice, Fate, Knobs

REFUSED = Problem(
    name="overloaded",
    detail="this server refuses some requests on purpose",
    retry_after_s=limits.RETRY_AFTER_S,
)


class Room(Protocol):
    """What is served: some paths, and the knobs that it looks at."""

    paths: tuple[str, ...]

    @property
    def knobs(self) -> Knobs:
        """As they are now."""
        ...

    def turn(self, document: bytes) -> None:
        """Change those that a JSON object names; msgspec's errors when they may not be so."""
        ...

    def act(self, asked: Asked) -> Answer | Problem:
        """Do what is asked, or find that it was done; no waiting in between."""
        ...

    async def settled(self) -> None:
        """Wait until all that was done is on disk."""
        ...

    def figures(self) -> Mapping[str, object]:
        """What there is to tell about it."""
        ...


class Place(Struct, frozen=True, kw_only=True):
    """Where a server listens, whom it believes and how it signs."""

    host: str
    port: int  # 0 picks a free one
    authorities: tuple[str, ...]  # beside those that loopback implies
    jwks: str
    key: SigningKey


class Server:
    """Serves one room."""

    def __init__(self, room: Room, place: Place, dice: Dice, clock: Clock) -> None:
        self._room = room
        self._place = place
        self._dice = dice
        self._clock = clock
        self._keys = SwitchKeys(place.jwks, clock)
        self._liar = signing_key(place.key.key_id, generate_seed())
        self._door: Door | None = None
        self._again: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve while the block lasts; its URL."""
        place = self._place
        application = web.Application(client_max_size=limits.BODY_BYTES_MAX)
        for path in self._room.paths:
            application.router.add_post(path, self._serve)
        application.router.add_get("/knobs", for_this_machine(self._show_knobs))
        application.router.add_put("/knobs", for_this_machine(self._turn_knobs))
        application.router.add_get("/figures", for_this_machine(self._show_figures))
        runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,  # whoever hung up waits for nothing
            shutdown_timeout=limits.SHUTDOWN_S_MAX,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, place.host, place.port, backlog=limits.LISTEN_BACKLOG)
            try:
                await site.start()
            except OSError as error:
                raise SwitchError(f"cannot listen on {place.host}:{place.port} ({error})") from None
            port = runner.addresses[0][1]
            names = known_authorities(place.authorities, host=place.host, port=port, scheme="http")
            self._door = Door(self._keys, names, self._clock)
            yield f"http://{in_url(place.host)}:{port}"
        finally:
            await runner.cleanup()
            await asyncio.gather(*self._again, return_exceptions=True)

    def figures(self) -> dict[str, object]:
        """What came and what became of it."""
        why_not = {} if self._keys.error is None else {"jwks_error": self._keys.error}
        return {"seed": self._dice.seed, **why_not, **self.counts, **self._room.figures()}

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.counts["requests"] += 1
        assert self._door is not None, "nobody calls before it listens"
        asked = await self._door.admit(request)
        if isinstance(asked, Problem):
            self.counts[f"turned away: {asked.name}"] += 1
            return _response(refused(asked))
        fate = self._dice.fate(self._room.knobs)
        await asyncio.sleep(fate.wait_s)
        if fate.refused:
            self.counts["refused"] += 1
            return self._signed(asked, refused(REFUSED))
        if fate.lost and not fate.acts_first:
            return await self._lose(request, fate)
        answer = self._room.act(asked)
        await self._room.settled()
        if fate.lost:
            return await self._lose(request, fate)
        if fate.twice:
            self.counts["twice"] += 1
            task = asyncio.create_task(self._come_again(asked, answer))
            self._again.add(task)
            task.add_done_callback(self._again.discard)
        return self._signed(asked, answer if isinstance(answer, Answer) else refused(answer))

    async def _lose(self, request: web.Request, fate: Fate) -> web.StreamResponse:
        """Let the caller wait until it gives up, or cut the connection."""
        self.counts["hung" if fate.hangs else "dropped"] += 1
        if fate.hangs:
            await asyncio.Event().wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()  # goes nowhere

    async def _come_again(self, asked: Asked, first: Answer | Problem) -> None:
        """The same request once more, behind its answer; nobody gets this one."""
        await asyncio.sleep(0)
        again = self._room.act(asked)
        bodies = [one.body if isinstance(one, Answer) else b"" for one in (first, again)]
        if bodies[0] != bodies[1]:
            self.counts["answered differently when it came twice"] += 1

    def _signed(self, asked: Asked, answer: Answer) -> web.Response:
        """The answer, signed, or a lie."""
        lie = self._lie() if answer.status < 300 else None
        if lie is not None:
            self.counts["lied"] += 1
        if lie == "amount":
            answer = _with_another_amount(answer)
        key = self._liar if lie == "signature" else self._place.key
        created = self._clock.now_us() // 1_000_000
        return _response(signed(answer, key=key, bound=asked.bound, created=created))

    def _lie(self) -> str | None:
        knobs = self._room.knobs
        if not isinstance(knobs, BankKnobs) or knobs.lie is None:
            return None
        return knobs.lie if self._dice.falls(knobs.lie_rate) else None

    async def _show_knobs(self, _: web.Request) -> web.Response:
        return _response(document(self._room.knobs))

    async def _turn_knobs(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return _response(refused(Problem(name="media-type-unsupported", detail="send JSON")))
        try:
            self._room.turn(await request.read())
        except msgspec.DecodeError as error:
            return _response(refused(malformed(str(error))))
        return _response(document(self._room.knobs))

    async def _show_figures(self, _: web.Request) -> web.Response:
        return _response(document(self.figures()))


def _with_another_amount(answer: Answer) -> Answer:
    """A bank's answer about one minor unit more; what is no such answer stays as it is."""
    try:
        said = msgspec.json.decode(answer.body, type=BankAnswer)
    except msgspec.DecodeError:
        return answer
    body = msgspec.json.encode(replace(said, amount=said.amount + 1))
    return Answer(answer.status, body, answer.media_type, answer.fields)


Handler = Callable[[web.Request], Awaitable[web.Response]]


def for_this_machine(handler: Handler) -> Handler:
    """Hide a handler from whoever calls over a network."""

    async def handle(request: web.Request) -> web.Response:
        if request.remote is None or not is_loopback(request.remote):
            raise web.HTTPNotFound
        return await handler(request)

    return handle


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.media_type, **answer.fields},
    )
