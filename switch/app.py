"""The composition root of one worker: everything is made here, once, and handed to who needs it."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from functools import partial

import asyncpg
import msgspec
from prometheus_client import REGISTRY, CollectorRegistry

from switch import db, ledger, limits, log, migrate
from switch.accounts import Accounts
from switch.admission import Admission
from switch.authorize import Authorize
from switch.batch import Batches
from switch.budget import FailureBudget, InFlight
from switch.clock import SYSTEM_CLOCK, Clock
from switch.config import Config
from switch.connection import Server
from switch.endpoint import Dispatch
from switch.errors import SwitchError
from switch.events import Events
from switch.key_uses import KeyUses
from switch.keys import Keys
from switch.lane import Decide, Lane, LedgerLink
from switch.lookups import Lookups
from switch.metrics import WorkerMetrics
from switch.participants import Participants
from switch.pending import Pending
from switch.public import Public
from switch.reads import Reads
from switch.receipts import Receipts
from switch.router import Router
from switch.service import Core, Endpoint
from switch.services import SERVICES, SOURCES
from switch.shares import Shares
from switch.steps import Steps
from switch.turns import Turns

_log = log.logger("app")


class App:
    """One worker: `start`, serve until asked to end, `drain`."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock = SYSTEM_CLOCK,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._config = config
        self._clock = clock
        self.metrics = WorkerMetrics(registry)
        self.participants = Participants(
            connect=partial(self._connect, "switch participants"),
            key_dir=config.key_dir,
            clock=clock,
            metrics=self.metrics,
        )
        self._payments = Shares(
            total_max=config.lane_count * config.lane_queue_max,
            each_max=limits.PARTICIPANT_IN_FLIGHT_MAX,
            clock=clock,
        )
        self._in_batches = InFlight(
            total_max=limits.BATCHES_IN_FLIGHT_MAX * limits.BATCH_WINDOW_PAYMENTS,
            each_max=limits.PARTICIPANT_BATCHES_IN_FLIGHT_MAX * limits.BATCH_WINDOW_PAYMENTS,
        )
        self._lanes = [self._lane(ledger.authorize_batch) for _ in range(config.lane_count)]
        self._step_lane = self._lane(ledger.decide_steps)
        self._others = InFlight(
            total_max=limits.READS_IN_FLIGHT_MAX, each_max=limits.PARTICIPANT_READS_IN_FLIGHT_MAX
        )
        self._batches = InFlight(
            total_max=limits.BATCHES_IN_FLIGHT_MAX,
            each_max=limits.PARTICIPANT_BATCHES_IN_FLIGHT_MAX,
        )
        self._router = Router(
            self._lanes,
            steps=self._step_lane,
            in_flight=self._payments,
            in_batches=self._in_batches,
        )
        self._read_pool = db.pool(
            config.database_url, application_name="switch reads", size=config.read_connections_max
        )
        self._reads = Reads(self._read_pool)
        self._pending = Pending(
            reads=self._reads, wait_s=config.bank_wait_s, clock=clock, metrics=self.metrics
        )
        self._key_uses = KeyUses(reads=self._reads, interval_s=config.key_uses_interval_s)
        self._admission = Admission(
            participants=self.participants,
            budget=FailureBudget(clock),
            note_key_use=self._key_uses.note,
            in_flight=self._others,
            payments=self._payments,
            turns=Turns(lambda: self._router.is_gathering),
            reads_per_s=config.reads_per_s,
            authorities=frozenset(config.authorities),
            scheme=config.scheme,
            signature_age_s_max=config.signature_age_s_max,
            signature_ahead_s_max=config.signature_ahead_s_max,
            clock=clock,
            metrics=self.metrics,
        )
        self.dispatch: Dispatch | None = None
        self._server: Server | None = None
        self._listener: asyncio.Server | None = None
        self._events: Events | None = None
        self._public = Public(participants=self.participants, waiting_for=self.waiting_for)
        self._is_serving = False
        self._reporting: asyncio.Task[None] | None = None

    def waiting_for(self) -> str | None:
        """What is missing before payments can be decided here; None when nothing is."""
        if not self._is_serving:
            return "start"
        if not self.participants.is_trusted:
            return "participants"
        if not self._router.is_connected:
            return "ledger"
        return None

    @property
    def payments_in_flight(self) -> int:
        """Payments accepted and not answered."""
        return self._payments.total + self._in_batches.total

    async def start(self) -> None:
        """Reach the database, check that it fits, then listen. Raises SwitchError otherwise."""
        await self._check_database()
        await self.participants.start()
        await self._read_pool
        for lane in (*self._lanes, self._step_lane):
            lane.start()
        self._key_uses.start()
        self.dispatch = Dispatch(self._endpoints(), admission=self._admission, metrics=self.metrics)
        self._server = Server(
            self.dispatch.serve, connections_max=self._config.connections_max, clock=self._clock
        )
        self._listener = await self._listen(self._server)
        self._reporting = asyncio.create_task(self._report(self._server), name="metrics")
        self._is_serving = True

    async def drain(self) -> None:
        """Answer what was accepted, refuse what is new, and end."""
        self._is_serving = False
        if self._server is not None:
            assert self._listener is not None, "they start together"
            self._listener.close()
            self._server.drain()
            self._admission.drain()
            self._router.drain()
            self._pending.drain()
            if self._events is not None:
                self._events.drain()
            await self._answer_accepted()
            await self._server.shutdown(limits.SHUTDOWN_S_MAX)
        for lane in (*self._lanes, self._step_lane):
            await lane.stop()
        await self.participants.stop()
        self._read_pool.terminate()
        if self._reporting is not None:
            self._reporting.cancel()
        self.metrics.flush()

    async def _answer_accepted(self) -> None:
        """Wait, boundedly, until nothing that was accepted is unanswered."""
        try:
            async with asyncio.timeout(self._config.drain_s):
                await self._payments.empty()
                await self._others.empty()
                await self._batches.empty()
                await self._key_uses.stop()
        except TimeoutError:
            _log.warning("not all was answered", unanswered=self.payments_in_flight)

    async def _check_database(self) -> None:
        connection = await self._connect("switch start")
        try:
            await migrate.check_version(connection, SOURCES)
            await migrate.check_worker_role(connection)
        finally:
            await connection.close()

    async def _connect(self, application_name: str) -> asyncpg.Connection:
        return await db.connect(self._config.database_url, application_name=application_name)

    def _lane(self, decide: Decide) -> Lane:
        return Lane(
            open_link=partial(self._open_link, decide),
            queue_max=self._config.lane_queue_max,
            clock=self._clock,
            metrics=self.metrics,
            decided=self._payments.decided,
        )

    async def _open_link(self, decide: Decide) -> LedgerLink:
        connection = await self._connect("switch lane")
        try:
            return LedgerLink(await ledger.prepare(connection), decide)
        except BaseException:
            connection.terminate()
            raise

    def _endpoints(self) -> tuple[Endpoint, ...]:
        """Everything that is served: the payment first, the services of the city last."""
        reads = self._reads
        admission, clock, metrics = self._admission, self._clock, self.metrics
        authorize = Authorize(
            admission=admission,
            router=self._router,
            pending=self._pending,
            reads=reads,
            clock=clock,
            metrics=metrics,
        )
        batches = Batches(
            admission=admission,
            authorize=authorize,
            router=self._router,
            pending=self._pending,
            reads=reads,
            in_flight=self._batches,
            clock=clock,
            metrics=metrics,
        )
        accounts = Accounts(admission=admission, reads=reads, clock=clock, metrics=metrics)
        steps = Steps(
            admission=admission,
            router=self._router,
            pending=self._pending,
            reads=reads,
            clock=clock,
            metrics=metrics,
        )
        keys = Keys(
            admission=admission,
            participants=self.participants,
            reads=reads,
            clock=clock,
            metrics=metrics,
        )
        lookups = Lookups(admission=admission, reads=reads, clock=clock)
        receipts = Receipts(
            admission=admission,
            reads=reads,
            participants=self.participants,
            issuer=self._config.issuer,
            clock=clock,
        )
        self._events = Events(admission=admission, reads=reads)
        endpoints = (
            *authorize.endpoints(),
            *steps.endpoints(),
            *batches.endpoints(),
            *lookups.endpoints(),
            *receipts.endpoints(),
            *self._events.endpoints(),
            *accounts.endpoints(),
            *keys.endpoints(),
            *self._public.endpoints(),
            *self._of_services(),
        )
        self._public.describe(endpoints)
        return endpoints

    def _of_services(self) -> Iterator[Endpoint]:
        core = Core(
            admission=self._admission,
            reads=self._reads,
            clock=self._clock,
            metrics=self.metrics,
            key_dir=self._config.key_dir,
            url=self._config.url,
            issuer=self._config.issuer,
            signing_key=self.participants.own_key,
        )
        books = [service.phone_book for service in SERVICES if service.phone_book is not None]
        assert len(books) <= 1, "a number names one account"
        if books:
            core = msgspec.structs.replace(core, phone_book=books[0](core))
        for service in SERVICES:
            yield from service.endpoints(core)

    async def _listen(self, server: Server) -> asyncio.Server:
        """Share the port with the other workers; the kernel spreads connections over them."""
        config = self._config
        listener = listening_socket(config.host, config.port)
        context = None
        if config.tls_cert is not None:
            assert config.tls_key is not None, "the supervisor checked that both are there"
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(config.tls_cert, config.tls_key)
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            server, sock=listener, ssl=context, backlog=limits.LISTEN_BACKLOG
        )

    async def _report(self, server: Server) -> None:
        """Hand over what was counted, a few times a second."""
        metrics = self.metrics
        while True:
            metrics.queue_messages.set(self._router.waiting_count)
            metrics.in_flight_messages.set(self.payments_in_flight)
            metrics.pending_messages.set(self._pending.total)
            metrics.connections.set(len(server.connections))
            metrics.snapshot_age_seconds.set(self.participants.age_s)
            metrics.clock_apart_seconds.set(self.participants.clock_apart_s)
            metrics.flush()
            due_s = self._clock.monotonic_s() + limits.METRICS_FLUSH_S
            await asyncio.sleep(limits.METRICS_FLUSH_S)
            metrics.late_seconds.observe(max(0.0, self._clock.monotonic_s() - due_s))


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket on a port that several workers share."""
    try:
        found = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # Its connections inherit this: the kernel ends those whose caller's machine is gone, or
            # takes no byte for so long.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            unread_ms = int(limits.UNREAD_S_MAX * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_ms)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise SwitchError(
            f"cannot listen on {host}:{port} ({error.strerror}): choose another --host or --port"
        ) from None
    listener.setblocking(False)
    return listener
