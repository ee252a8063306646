"""Waiting for banks: what a bank decides is answered with its decision when that comes soon.

A message that the ledger has accepted for a bank is *pending*. Its caller waits a few seconds for
the decision; whoever hears of none is told the present state, and learns the rest from the event,
a look-up or by sending the message again. Waiting costs nothing while nothing happens: a worker
asks the ledger once for all who wait here, some twenty times a second. It comes after the way
through the router and has a budget of its own, so that a slow bank never takes the place of
payments that need no bank. Without room for it the present state is told at once.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from switch import limits
from switch.budget import InFlight
from switch.clock import Clock
from switch.errors import LedgerUnavailable, Problem
from switch.ledger import Verdict
from switch.metrics import WorkerMetrics
from switch.reads import Reads


class Pending:
    """The callers of this worker that wait for a bank, by payment."""

    def __init__(
        self, *, reads: Reads, wait_s: float, clock: Clock, metrics: WorkerMetrics
    ) -> None:
        self._reads = reads
        self._wait_s = wait_s
        self._clock = clock
        self._metrics = metrics
        self._budget = InFlight(
            total_max=limits.BANK_WAITERS_MAX, each_max=limits.PARTICIPANT_BANK_WAITERS_MAX
        )
        self._waiting: dict[UUID, set[asyncio.Future[Verdict]]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._is_draining = False

    @property
    def total(self) -> int:
        """Messages that wait here."""
        return self._budget.total

    def drain(self) -> None:
        """Let nobody wait any longer."""
        self._is_draining = True
        for waiting in self._waiting.values():
            for decision in waiting:
                decision.cancel()
        if self._watch is not None:
            self._watch.cancel()

    async def settle(self, participant_no: int, verdict: Verdict) -> Verdict:
        """The verdict, with the bank's decision when that is known in time."""
        if _awaited(verdict) is None:  # nearly every payment
            return verdict
        (settled,) = await self.settle_all(participant_no, [verdict])
        assert isinstance(settled, Verdict), "a verdict stays one"
        return settled

    async def settle_all(
        self, participant_no: int, results: Sequence[Verdict | Problem]
    ) -> list[Verdict | Problem]:
        """The same for many at once, which wait together; what does not wait stays as it is."""
        decisions: dict[int, asyncio.Future[Verdict]] = {}
        try:
            for position, result in enumerate(results):
                payment_id = _awaited(result)
                if payment_id is None:
                    continue
                if self._is_draining or self._budget.enter(participant_no) is not None:
                    break
                decisions[position] = self._enter(payment_id)
            if decisions:
                started_s = self._clock.monotonic_s()
                await asyncio.wait(decisions.values(), timeout=self._wait_s)
                self._metrics.pending_seconds.observe(self._clock.monotonic_s() - started_s)
            return [
                _settled(result, decisions.get(position)) for position, result in enumerate(results)
            ]
        finally:
            for position, decision in decisions.items():
                payment_id = _awaited(results[position])
                assert payment_id is not None, "only what is awaited has entered"
                self._leave(payment_id, decision)
                self._budget.leave(participant_no)

    def _enter(self, payment_id: UUID) -> "asyncio.Future[Verdict]":
        decision = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(payment_id, set()).add(decision)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look(), name="pending")
        return decision

    def _leave(self, payment_id: UUID, decision: "asyncio.Future[Verdict]") -> None:
        waiting = self._waiting[payment_id]
        waiting.discard(decision)
        if not waiting:
            del self._waiting[payment_id]

    async def _look(self) -> None:
        """Ask what is decided by now, for everybody at once, while anybody waits."""
        while self._waiting:
            await asyncio.sleep(limits.BANK_LOOK_S)
            try:
                found = await self._reads.decided(tuple(self._waiting))
            except LedgerUnavailable:
                continue  # they are told what is known when their time is over
            for payment_id, verdict in found.items():
                for decision in self._waiting.get(payment_id, ()):
                    if not decision.done():
                        decision.set_result(verdict)


def _awaited(result: Verdict | Problem) -> UUID | None:
    """The payment that a bank has to decide, if the result is one."""
    if isinstance(result, Problem) or result.payment is None or result.payment.status != "pending":
        return None
    return UUID(result.payment.id)


def _settled(
    result: Verdict | Problem, decision: "asyncio.Future[Verdict] | None"
) -> Verdict | Problem:
    """The result with the decision, if there is one; who was the first to ask stays the first."""
    if decision is None or not decision.done() or decision.cancelled():
        return result
    assert isinstance(result, Verdict), "a problem waits for nothing"
    return replace(decision.result(), disposition=result.disposition)
