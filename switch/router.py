"""The router: which lane decides a message, and whether it is taken on at all.

A payer has a home lane, so that its payments never wait for each other's row locks within a worker;
steps of payments (captures, voids, refunds) have a lane of their own.
A message whose key is already on its way here is its twin and joins it: the same payload gets the
same decision, answered as a repeat; another payload waits until the first is decided and then asks
the ledger, which knows. This only saves work: between workers the ledger alone decides.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from switch import limits
from switch.budget import InFlight, overloaded
from switch.errors import Problem
from switch.lane import Lane, Waiting
from switch.ledger import Disposition, Message, StepOrder, Verdict

IN_PROGRESS = Problem(
    name="in-progress",
    detail="another request with this key is being decided; send the same request again",
    retry_after_s=limits.RETRY_AFTER_S,
)


class Router:
    """Takes messages on until it is drained."""

    def __init__(
        self, lanes: Sequence[Lane], *, steps: Lane, in_flight: InFlight, in_batches: InFlight
    ) -> None:
        assert lanes, "somebody has to decide"
        self._lanes = tuple(lanes)
        self._steps = steps
        self._in_flight = in_flight
        self._in_batches = in_batches  # apart: a batch takes no room from its sender's payments
        self._first: dict[tuple[int, str], Waiting] = {}
        self._is_draining = False

    @property
    def waiting_count(self) -> int:
        """Messages in the queues of all lanes."""
        return sum(lane.waiting_count for lane in (*self._lanes, self._steps))

    @property
    def is_gathering(self) -> bool:
        """Whether a lane lets come along what is on its way."""
        return any(lane.is_gathering for lane in (*self._lanes, self._steps))

    @property
    def is_connected(self) -> bool:
        """Whether every lane has its link."""
        return all(lane.is_connected for lane in (*self._lanes, self._steps))

    def drain(self) -> None:
        """Take nothing new on; what was taken on is decided."""
        self._is_draining = True

    async def decide(self, order: Message) -> Verdict | Problem:
        """The ledger's verdict, or why there is none."""
        refusal = self._enter(order, self._in_flight)
        if refusal is not None:
            return refusal
        try:
            return await self._decide(order)
        finally:
            self._in_flight.leave(order.participant_no)

    async def decide_all(self, orders: Sequence[Message]) -> list[Verdict | Problem]:
        """The same for payments of one batch, each with a key of its own, in their order.

        They stand in their lanes when this first waits, those without a twin without a task each.
        """
        begun: list[Problem | Waiting | asyncio.Task[Verdict | Problem]] = []
        entered: list[int] = []
        try:
            for order in orders:
                refusal = self._enter(order, self._in_batches)
                if refusal is not None:
                    begun.append(refusal)
                    continue
                entered.append(order.participant_no)
                has_twin = (order.participant_no, order.key) in self._first
                begun.append(
                    asyncio.create_task(self._decide(order)) if has_twin else self._put(order)
                )
            return [
                one
                if isinstance(one, Problem)
                else await (one.decision if isinstance(one, Waiting) else one)
                for one in begun
            ]
        finally:
            for one in begun:
                if isinstance(one, Waiting):
                    self._forget(one)
                elif isinstance(one, asyncio.Task):
                    one.cancel()
            for participant_no in entered:
                self._in_batches.leave(participant_no)

    def _enter(self, order: Message, in_flight: InFlight) -> Problem | None:
        """Take one more on, or say why not; what was taken on has to `leave`."""
        if self._is_draining:
            return overloaded("this switch is stopping")
        return in_flight.enter(order.participant_no)

    async def _decide(self, order: Message) -> Verdict | Problem:
        """What was taken on, from its twin or from its lane."""
        name = (order.participant_no, order.key)
        first = self._first.get(name)
        if first is not None:
            joined = await self._join(name, first, order)
            if joined is not None:
                return joined
        waiting = self._put(order)
        if isinstance(waiting, Problem):
            return waiting
        try:
            return await waiting.decision
        finally:
            self._forget(waiting)

    def _put(self, order: Message) -> Waiting | Problem:
        """Into its lane, the first with its key from now on."""
        lane = self._lane(order)
        if lane.is_full:
            return overloaded()
        waiting = self._first[order.participant_no, order.key] = lane.put(order)
        return waiting

    def _forget(self, waiting: Waiting) -> None:
        """It is the first with its key no more, if it still was."""
        name = (waiting.order.participant_no, waiting.order.key)
        if self._first.get(name) is waiting:
            del self._first[name]

    def _lane(self, order: Message) -> Lane:
        if isinstance(order, StepOrder):
            return self._steps
        home = order.request.payer or order.request.mandate
        assert home is not None, "a payment has one of the two"
        return self._lanes[home.int % len(self._lanes)]

    async def _join(
        self, name: tuple[int, str], first: Waiting, order: Message
    ) -> Verdict | Problem | None:
        """The decision of the message with the same key; None when the ledger is to be asked."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + limits.TWIN_WAIT_S_MAX
        while True:
            # Not awaited directly: a caller that is cancelled must not cancel its twin's decision.
            await asyncio.wait({first.decision}, timeout=give_up_at - loop.time())
            if not first.decision.done():
                return IN_PROGRESS
            if _is_same(first.order, order) and not first.decision.cancelled():
                return _as_repeat(first.decision.result())
            following = self._first.get(name)
            if following is None or following is first:
                return None
            first = following


def _is_same(first: Message, second: Message) -> bool:
    """Whether both are the same operation with the same payload."""
    return first.digest == second.digest and _operation(first) == _operation(second)


def _operation(order: Message) -> tuple[str, UUID] | None:
    return (order.type, order.parent) if isinstance(order, StepOrder) else None


_FIRST = (Disposition.DECIDED, Disposition.PENDING)  # of a message that was the first with its key


def _as_repeat(result: Verdict | Problem) -> Verdict | Problem:
    if isinstance(result, Problem) or result.disposition not in _FIRST:
        return result
    return Verdict(disposition=Disposition.REPEATED, payment=result.payment)
