"""A lane: one connection to Postgres, one batch in flight, the next one gathering behind it.

Nothing waits for a timer: a message that finds its lane idle leaves as soon as the event loop has
brought in what else had reached this process; while a batch is being decided, what arrives becomes
the next. So an idle switch answers in one round trip, and a busy one shares each commit among
everything that came meanwhile.

What a broken link means for a message depends on how far it had come:

    still in the queue       it waits for the next link, for a bounded time; then ledger-unavailable
    sent, surely undone      ledger-unavailable: the ledger said that it rolled back
    sent, no word            outcome-unknown: the old backend may still commit

A batch that the ledger refuses as a whole for a reason nobody foresaw is decided again message
by message, so that the one that cannot be decided harms nobody else. A caller that went away
leaves its message in the batch: it was accepted and will be decided.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct

from switch import limits, log
from switch.budget import OUTCOME_UNKNOWN, ledger_unavailable
from switch.clock import Clock
from switch.errors import LedgerUnavailable, OutcomeUnknown, Problem
from switch.ledger import Backlog, Message, Statements, StepOrder, Verdict, fold_backlog
from switch.metrics import WorkerMetrics

_log = log.logger("lane")

UNDECIDABLE = Problem(
    name="internal-error", detail="the ledger could not decide this message; the fault is logged"
)


class Link(Protocol):
    """An open connection with its prepared statement."""

    def is_closed(self) -> bool:
        """Whether the connection is known to be gone."""
        ...

    async def decide(self, orders: Sequence[Message], queue_us: Sequence[int]) -> Sequence[Verdict]:
        """One verdict an order. Raises LedgerUnavailable or Backlog (undone) or OutcomeUnknown."""
        ...

    async def fold(self, accounts: Collection[UUID]) -> None:
        """Add up some of the credits that wait for accounts. Raises as decide."""
        ...

    def close(self) -> None:
        """Drop the connection without waiting."""
        ...


# One call of a deciding function: of payments, or of their steps.
Decide = Callable[[Statements, Sequence[Any], Sequence[int]], Awaitable[Sequence[Verdict]]]


class LedgerLink:
    """A link to the real ledger."""

    def __init__(self, statements: Statements, decide: Decide) -> None:
        self._statements = statements
        self._decide = decide

    def is_closed(self) -> bool:
        """Whether the connection is known to be gone."""
        return bool(self._statements.connection.is_closed())

    async def decide(self, orders: Sequence[Message], queue_us: Sequence[int]) -> Sequence[Verdict]:
        """One call of the deciding function."""
        return await self._decide(self._statements, orders, queue_us)

    async def fold(self, accounts: Collection[UUID]) -> None:
        """One call of the folding function."""
        await fold_backlog(self._statements, accounts)

    def close(self) -> None:
        """Drop the connection without waiting."""
        self._statements.connection.terminate()


class Waiting(Struct, frozen=True, eq=False):
    """A message on its way through a lane."""

    order: Message
    since_s: float
    decision: "asyncio.Future[Verdict | Problem]"

    def answer(self, result: Verdict | Problem) -> None:
        """Tell whoever waits, if anybody still does."""
        if not self.decision.done():
            self.decision.set_result(result)


def concerns(order: Message, accounts: Collection[UUID]) -> bool:
    """Whether one of these accounts pays or is paid; a step or a mandate does not say which."""
    if isinstance(order, StepOrder) or order.request.payer is None:
        return True
    return order.request.payer in accounts or order.request.payee in accounts


def _named(batch: Sequence[Waiting]) -> dict[str, Any]:
    """What a log says of a batch: how many, and whose traces they are part of."""
    traces = [waiting.order.trace.trace_id for waiting in batch if waiting.order.trace is not None]
    return {"messages": len(batch)} | ({"trace_ids": traces} if traces else {})


class Lane:
    """Owns one link for as long as it lasts, and makes the next one."""

    def __init__(
        self,
        *,
        open_link: Callable[[], Awaitable[Link]],
        queue_max: int,
        clock: Clock,
        metrics: WorkerMetrics,
        decided: Callable[[int, float], None] = lambda count, waited_s: None,
    ) -> None:
        self._open_link = open_link
        self._queue_max = queue_max
        self._clock = clock
        self._metrics = metrics
        self._decided = decided
        self._queue: deque[Waiting] = deque()
        self._in_flight: list[Waiting] = []
        self._link: Link | None = None
        self._idle: asyncio.Future[None] | None = None  # while there is nothing to do
        self.is_gathering = False  # a batch leaves within the next turns of the event loop
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_connected(self) -> bool:
        """Whether the lane has a link that is not known to be broken."""
        return self._link is not None and not self._link.is_closed()

    @property
    def is_full(self) -> bool:
        """Whether no more may be put into the queue."""
        return len(self._queue) >= self._queue_max

    @property
    def waiting_count(self) -> int:
        """Messages in the queue."""
        return len(self._queue)

    def start(self) -> None:
        """Connect and begin to decide."""
        assert not self._tasks, "a lane starts once"
        self._tasks = [
            asyncio.create_task(self._run(), name="lane"),
            asyncio.create_task(self._look_after(), name="lane queue"),
        ]

    async def stop(self) -> None:
        """End now: what was sent is unknown, what waited is not decided."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for waiting in self._in_flight:
            waiting.answer(OUTCOME_UNKNOWN)
        for waiting in self._queue:
            waiting.answer(ledger_unavailable("the switch is stopping"))
        self._in_flight = []
        self._queue.clear()

    def put(self, order: Message) -> Waiting:
        """Put a message into the queue; its `decision` comes when it is decided."""
        assert not self.is_full, "whoever puts has asked before"
        decision = asyncio.get_running_loop().create_future()
        waiting = Waiting(order, self._clock.monotonic_s(), decision)
        self._queue.append(waiting)
        self._wake()
        return waiting

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _run(self) -> None:
        while True:
            link = await self._connect()
            try:
                self._link = link
                await self._serve(link)
            except Exception:
                _log.exception("fault in a lane")
                for waiting in self._in_flight:
                    waiting.answer(OUTCOME_UNKNOWN)
            finally:
                self._link = None
                link.close()

    async def _connect(self) -> Link:
        """A link, however long it takes; what waits meanwhile has a bound of its own."""
        pause_s = limits.LANE_BACKOFF_S_MIN
        while True:
            try:
                link = await self._open_link()
            except Exception as error:
                if pause_s == limits.LANE_BACKOFF_S_MIN:  # the first of many
                    _log.warning("no link to the ledger", error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(limits.LANE_BACKOFF_S_MAX, pause_s * 2)
            else:
                self._metrics.reconnects.add(("lane",))
                return link

    async def _serve(self, link: Link) -> None:
        """Decide batch after batch until the link is gone."""
        loop = asyncio.get_running_loop()
        while not link.is_closed():
            if not self._queue:
                self._idle = loop.create_future()
                await self._idle
                self._idle = None
                continue  # the link may have gone while nothing was to do
            await self._gather()
            if not self._queue:
                continue  # what was there has waited too long and was refused meanwhile
            count = min(len(self._queue), limits.BATCH_SIZE_MAX)
            self._in_flight = [self._queue.popleft() for _ in range(count)]
            is_usable = await self._decide(link, self._in_flight)
            self._in_flight = []
            if not is_usable:
                return

    async def _gather(self) -> None:
        """Let what has reached this process already come along: until the loop brings no more."""
        quiet_turns = 0
        self.is_gathering = True
        try:
            for _ in range(limits.GATHER_TURNS_MAX):
                count = len(self._queue)
                if count >= limits.BATCH_SIZE_MAX or quiet_turns == limits.GATHER_QUIET_TURNS:
                    return
                await asyncio.sleep(0)
                quiet_turns = 0 if len(self._queue) > count else quiet_turns + 1
        finally:
            self.is_gathering = False

    async def _decide(self, link: Link, batch: Sequence[Waiting]) -> bool:
        """Decide a batch and answer all of it; false when the link is not to be used again."""
        started_s = self._clock.monotonic_s()
        queue_us = []
        queued_s = 0.0
        for waiting in batch:
            waited_s = started_s - waiting.since_s
            queued_s += waited_s
            self._metrics.waiting_seconds.observe(waited_s)
            queue_us.append(int(waited_s * 1_000_000))
        self._metrics.batch_messages.observe(len(batch))
        try:
            verdicts = await link.decide([waiting.order for waiting in batch], queue_us)
        except LedgerUnavailable as error:
            return self._failed("unavailable", link, batch, ledger_unavailable(), error)
        except OutcomeUnknown as error:
            self._failed("unknown", link, batch, OUTCOME_UNKNOWN, error)
            return False
        except Backlog as backlog:
            return await self._put_off(link, batch, backlog.accounts)
        except Exception as error:
            if link.is_closed():
                return self._failed("unknown", link, batch, OUTCOME_UNKNOWN, error)
            _log.exception("the ledger refused a batch", **_named(batch))
            return await self._decide_one_by_one(link, batch)
        assert len(verdicts) == len(batch), "one verdict a message"
        working_s = self._clock.monotonic_s() - started_s
        self._metrics.working_seconds.observe(working_s)
        self._decided(len(batch), queued_s + len(batch) * working_s)
        for waiting, verdict in zip(batch, verdicts, strict=True):
            waiting.answer(verdict)
        return True

    async def _put_off(
        self, link: Link, batch: Sequence[Waiting], accounts: Collection[UUID]
    ) -> bool:
        """Too many credits wait for some accounts: decide for the others, add some of them up.

        Whom they concern goes back to the head of the queue, and is refused there when all of them
        cannot be added up in time.
        """
        late = [waiting for waiting in batch if concerns(waiting.order, accounts)]
        others = [waiting for waiting in batch if waiting not in late]
        assert late, "the ledger names accounts of the batch"
        self._in_flight = [waiting for waiting in self._in_flight if waiting not in late]
        self._queue.extendleft(reversed(late))
        if others and not await self._decide(link, others):
            return False
        try:
            await link.fold(accounts)
        except (LedgerUnavailable, OutcomeUnknown) as error:
            return self._failed("unavailable", link, [], ledger_unavailable(), error)
        return True

    async def _decide_one_by_one(self, link: Link, batch: Sequence[Waiting]) -> bool:
        """The batch was undone: decide each message alone, so that only the bad one suffers."""
        if len(batch) == 1:
            return self._failed("refused", link, batch, UNDECIDABLE, None)
        for position, waiting in enumerate(batch):
            if link.is_closed() or not await self._decide(link, [waiting]):
                # Undone with the batch; one that went back into the queue has its answer to come.
                for left in batch[position:]:
                    if left not in self._queue:
                        left.answer(ledger_unavailable())
                return False
        return True

    def _failed(
        self,
        kind: str,
        link: Link,
        batch: Sequence[Waiting],
        problem: Problem,
        error: Exception | None,
    ) -> bool:
        self._metrics.ledger_failures.add((kind,))
        if error is not None:
            _log.warning("a batch failed", kind=kind, error=str(error), **_named(batch))
        for waiting in batch:
            waiting.answer(problem)
        return not link.is_closed()

    async def _look_after(self) -> None:
        """Refuse what waited too long behind a broken or silent link: it was surely not sent.

        A link that breaks while its lane is idle is noticed here, before a message needs it.
        """
        while True:
            await asyncio.sleep(limits.QUEUE_LOOK_S)
            if not self.is_connected:
                self._wake()
            oldest_s = self._clock.monotonic_s() - limits.QUEUE_WAIT_S_MAX
            while self._queue and self._queue[0].since_s < oldest_s:
                self._queue.popleft().answer(ledger_unavailable())
