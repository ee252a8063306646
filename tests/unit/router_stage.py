"""A router with one lane, over a ledger that does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry

from switch.budget import InFlight
from switch.clock import SYSTEM_CLOCK, Clock, rfc3339
from switch.errors import Problem
from switch.lane import Lane, Link
from switch.ledger import Disposition, Order, Verdict, decided_payment
from switch.message import PaymentRequest
from switch.metrics import WorkerMetrics
from switch.outcome import Outcome
from switch.router import Router

AT = datetime(2026, 11, 1, 8, tzinfo=UTC)
PAYER = UUID("0192f0c1-5a3e-7cc0-8a11-5d0c3a9f1e01")


def order(key: str = "k", *, digest: bytes = b"a", participant_no: int = 1) -> Order:
    """A message; what it asks for does not matter here, its digest does."""
    request = PaymentRequest(type="transfer", payer=PAYER, payee=uuid4(), amount=1, currency="CNY")
    return Order(
        participant_no=participant_no,
        participant="p",
        key=key,
        digest=digest * 32,
        payment_id=uuid4(),
        request=request,
    )


def approved(message: Order) -> Verdict:
    """The verdict on a message that is decided now."""
    payment = decided_payment(message, Outcome.APPROVED, AT, rfc3339(AT))
    return Verdict(disposition=Disposition.DECIDED, payment=payment)


class StagedLink:
    """A link whose batches stay in flight until the test lets them go, or fail as it says."""

    def __init__(self) -> None:
        self.batches: list[list[Order]] = []
        self.folded: list[frozenset[UUID]] = []
        self.gate = asyncio.Event()
        self.failure: Callable[[Sequence[Order]], Exception | None] = lambda orders: None
        self.verdicts: Callable[[Sequence[Order]], Sequence[Verdict]] = lambda orders: [
            approved(one) for one in orders
        ]
        self.closed = False

    def is_closed(self) -> bool:
        """Whether the test closed it."""
        return self.closed

    def close(self) -> None:
        """What a lane does when it is done with a link."""
        self.closed = True

    async def fold(self, accounts: Collection[UUID]) -> None:
        """Note for whom."""
        self.folded.append(frozenset(accounts))

    async def decide(self, orders: Sequence[Order], queue_us: Sequence[int]) -> Sequence[Verdict]:
        """Wait for the gate, then fail or approve everything."""
        self.batches.append(list(orders))
        await self.gate.wait()
        failure = self.failure(orders)
        if failure is not None:
            raise failure
        return self.verdicts(orders)


class Stage:
    """A router with one lane over staged links."""

    def __init__(self, *, queue_max: int, each_max: int, clock: Clock) -> None:
        self.decided: list[tuple[int, float]] = []
        self.links: list[StagedLink] = []
        self.refuse_links = False
        self.reopened = asyncio.Event()
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.lane = Lane(
            open_link=self._open,
            queue_max=queue_max,
            clock=clock,
            metrics=self.metrics,
            decided=lambda count, waited_s: self.decided.append((count, waited_s)),
        )
        self.in_flight = InFlight(total_max=1000, each_max=each_max)
        self.in_batches = InFlight(total_max=1000, each_max=each_max)
        self.router = Router(
            [self.lane], steps=self.lane, in_flight=self.in_flight, in_batches=self.in_batches
        )

    async def _open(self) -> Link:
        if self.refuse_links:
            raise OSError("no database")
        if self.links:
            self.reopened.set()
        self.links.append(StagedLink())
        return self.links[-1]

    @property
    def link(self) -> StagedLink:
        """The latest link."""
        return self.links[-1]

    def send(self, message: Order) -> "asyncio.Task[Verdict | Problem]":
        """Begin to decide a message."""
        return asyncio.create_task(self.router.decide(message))


@asynccontextmanager
async def stage(
    *, queue_max: int = 100, each_max: int = 100, clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[Stage]:
    """A stage whose lane has its first link."""
    made = Stage(queue_max=queue_max, each_max=each_max, clock=clock)
    made.lane.start()
    await settle()
    try:
        yield made
    finally:
        await made.lane.stop()


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


def name(result: Verdict | Problem) -> str:
    """What came of a message, in one word."""
    return result.name if isinstance(result, Problem) else result.disposition.name
