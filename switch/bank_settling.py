"""What became of calls of banks, on its way into the ledger: many answers share a commit.

While one statement is under way the next one gathers. What could not be recorded stays, and is
recorded one by one, so that one that cannot be recorded harms no other. Whoever made a call waits
here until it is settled, so what waits is bounded by the calls that may be under way; it is lost
with its process, and the call is then made again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import Counter

from switch import limits, log
from switch.bank_calls import Called
from switch.clock import Clock
from switch.loops import BROKEN

_log = log.logger("banks")

Settle = Callable[[Sequence[Called]], Awaitable[int]]


class Settling:
    """Records what became of calls, in the order in which it was told."""

    def __init__(self, settle: Settle, *, failures: Counter, clock: Clock) -> None:
        self._settle = settle
        self._failures = failures
        self._clock = clock
        self._waiting: deque[tuple[Called, asyncio.Future[None]]] = deque()
        self._some = asyncio.Event()
        self._size_max = limits.BANK_SETTLE_MAX
        self.settled_at_s = float("-inf")  # the last time that something was

    async def settled(self, called: Called) -> None:
        """Return when it is in the ledger. Whoever is cancelled has it forgotten."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((called, done))
        self._some.set()
        await done

    async def run(self) -> None:
        """Record what there is, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while gathered := self._gather():
                await self._record(gathered)

    def _gather(self) -> list[tuple[Called, asyncio.Future[None]]]:
        gathered: list[tuple[Called, asyncio.Future[None]]] = []
        while self._waiting and len(gathered) < self._size_max:
            one = self._waiting.popleft()
            if not one[1].done():
                gathered.append(one)
        return gathered

    async def _record(self, gathered: list[tuple[Called, asyncio.Future[None]]]) -> None:
        try:
            await self._settle([called for called, _ in gathered])
        except BROKEN as error:
            self._failures.labels("settling").inc()
            _log.warning("calls could not be settled", count=len(gathered), error=repr(error))
            self._waiting.extend(gathered)
            if len(gathered) == 1:
                await asyncio.sleep(limits.BANK_SETTLE_PAUSE_S)
            self._size_max = 1
            return
        self._size_max = min(limits.BANK_SETTLE_MAX, self._size_max * 2)
        self.settled_at_s = self._clock.monotonic_s()
        for _, done in gathered:
            if not done.done():
                done.set_result(None)
