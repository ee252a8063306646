"""One participant's callback URL: sending it events in order, and sparing it while it fails.

A turn reads some events, sends them, a bounded number at a time, and records what became of them.
New events and those that were not taken before have turns of their own, so a payment whose events
are not taken holds up no other. Events of one payment never overtake each other: what comes behind
one that was not taken waits for it, in the ledger.

After several failures in a row a receiver counts as down. Then it gets one event after a pause that
doubles up to a bound, until it takes one; its feed stays where it is, so being down costs neither
rows nor attempts, and when it is back it gets what it missed at the usual pace.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from switch import limits, log
from switch.breaker import Breaker, pause_s
from switch.callback import Callbacks, told
from switch.clock import Clock
from switch.deliveries import Deliveries, Delivery, Tried, Work
from switch.metrics import DeliveryMetrics, participant_label
from switch.signature import SigningKey

_log = log.logger("delivery")
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What all receivers share: how to call, how to record, and how much may be under way."""

    callbacks: Callbacks
    deliveries: Deliveries
    signing_key: Callable[[], SigningKey]
    in_flight: asyncio.Semaphore
    give_up_s: float
    metrics: DeliveryMetrics
    clock: Clock


class Receiver:
    """One participant's server, as it proved so far in this process."""

    def __init__(self, post: Post, work: Work) -> None:
        self._post = post
        self._work = work
        self._breaker = Breaker(
            post.clock,
            failures_max=limits.RECEIVER_FAILURES_MAX,
            pause_s_min=limits.RECEIVER_PAUSE_S_MIN,
            pause_s_max=limits.RECEIVER_PAUSE_S_MAX,
        )
        self._tries_new_next = False  # an old event, then a new one: one of them may be at fault
        self._turns: dict[str, asyncio.Task[None]] = {}

    @property
    def label(self) -> str:
        """Its participant's name in the metrics."""
        return participant_label(self._work.participant_no, self._work.participant)

    @property
    def is_busy(self) -> bool:
        """Whether a turn is under way."""
        return bool(self._turns)

    @property
    def is_down(self) -> bool:
        """Whether it failed so often that it gets one event at a time."""
        return self._breaker.is_open

    def start_turns(self, work: Work) -> None:
        """Begin what is to be done and does not run already; return at once."""
        if work.callback_url != self._work.callback_url:
            self._breaker.reset()
        self._work = work
        if not self.is_down:
            if work.has_new:
                self._start("new", self._send_new, limits.DELIVERY_SIZE_MAX)
            if work.has_due:
                self._start("again", self._send_again, limits.DELIVERY_SIZE_MAX)
        elif not self.is_busy and not self._breaker.is_spared:
            is_new = work.has_new and (self._tries_new_next or not work.has_due)
            self._tries_new_next = not is_new
            if is_new:
                self._start("new", self._send_new, 1)
            else:
                self._start("again", self._send_again, 1)

    async def end(self) -> None:
        """Break off what is under way; what was not recorded is sent again."""
        turns = list(self._turns.values())
        for turn in turns:
            turn.cancel()
        await asyncio.gather(*turns, return_exceptions=True)

    def _start(self, name: str, turn: Callable[[int], Awaitable[bool]], size: int) -> None:
        if name not in self._turns:
            self._turns[name] = asyncio.create_task(self._run(name, turn, size))

    async def _run(self, name: str, turn: Callable[[int], Awaitable[bool]], size: int) -> None:
        """Turn after turn while there is more and the receiver takes it."""
        try:
            while await turn(size) and size > 1 and not self.is_down:
                pass
        except Exception as error:
            # What was sent is sent again; the look that comes next fails too when it is the link.
            self._post.metrics.failures.labels("delivery").inc()
            _log.warning("a turn failed", participant=self._work.participant, error=repr(error))
            await asyncio.sleep(limits.JOB_PAUSE_S_MAX)
        finally:
            del self._turns[name]

    async def _send_new(self, size: int) -> bool:
        number = self._work.participant_no
        events = await self._post.deliveries.new(number, size)
        tried = await self._send_in_order(events, limits.DELIVERIES_AT_ONCE_MAX)
        if tried:
            await self._post.deliveries.passed(number, tried)
        return len(events) == size

    async def _send_again(self, size: int) -> bool:
        number = self._work.participant_no
        events = await self._post.deliveries.due(number, size)
        tried = await self._send_in_order(events, limits.RETRIES_AT_ONCE_MAX)
        if tried:
            died = await self._post.deliveries.settled(
                number, tried, give_up_s=self._post.give_up_s
            )
            if died:
                self._post.metrics.events_died.inc(died)
                _log.error("events are dead: they were not taken in time", count=died,
                           participant=self._work.participant)  # fmt: skip
        return len(tried) > 0  # behind each of them the next of its payment may be due

    async def _send_in_order(self, events: Sequence[Delivery], at_once: int) -> list[Tried]:
        """Try events, a few at a time, from the first on until the receiver is to be spared.

        Returns what became of those that were begun, which are the first ones, without a gap.
        """
        ahead = iter(events)
        tried: list[Tried] = []
        last: dict[UUID, asyncio.Future[bool]] = {}  # of each payment: whether it was taken
        loop = asyncio.get_running_loop()

        async def send_some() -> None:
            while not self._breaker.is_spared:
                delivery = next(ahead, None)
                if delivery is None:
                    return
                earlier = last.get(delivery.payment)
                mine = last[delivery.payment] = loop.create_future()
                is_first = not delivery.is_behind and (earlier is None or await earlier)
                one = await self._try(delivery) if is_first else _untried(delivery)
                mine.set_result(one.is_taken)
                tried.append(one)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(events))):
                group.create_task(send_some())
        return tried

    async def _try(self, delivery: Delivery) -> Tried:
        """Send one event and see how the receiver does."""
        if delivery.event is None:
            return Tried(number=delivery.number, is_taken=True)
        async with self._post.in_flight:
            label, result = await self._call(delivery)
        self._post.metrics.deliveries.labels(self.label, label).inc()
        if label == TAKEN:
            if self.is_down:
                _log.info("a receiver is back", participant=self._work.participant)
            self._breaker.reset()
            return Tried(number=delivery.number, is_taken=True)
        self._note_failure(result)
        return Tried(
            number=delivery.number,
            is_taken=False,
            wait_s=pause_s(
                delivery.attempts, limits.DELIVERY_PAUSE_S_MIN, limits.DELIVERY_PAUSE_S_MAX
            ),
            result=result,
        )

    async def _call(self, delivery: Delivery) -> tuple[str, str]:
        """What came of an attempt: its label for the metrics, and in words."""
        assert delivery.event is not None, "there is something to push"
        reply = await self._post.callbacks.post(
            self._work.callback_url,
            participant=self._work.participant,
            key=self._post.signing_key(),
            body=_encoder.encode(delivery.event),
            idempotency_key=delivery.event.id,
            traceparent=delivery.traceparent,
        )
        return told(reply) or (TAKEN, TAKEN)

    def _note_failure(self, result: str) -> None:
        was_down = self.is_down
        self._breaker.fail()
        if self.is_down and not was_down:
            _log.warning("a receiver is down", participant=self._work.participant,
                         callback_url=self._work.callback_url, result=result)  # fmt: skip


TAKEN = "taken"


def _untried(delivery: Delivery) -> Tried:
    return Tried(number=delivery.number, is_taken=False)
