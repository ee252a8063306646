"""What simulated participants that also send have in common: a pace, and counting what comes back.

What cannot be sent because too much is under way already is left out, not queued: a participant
whose switch has stopped should not drown it when it is back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from switch import limits
from switch.client import ClientError, Payment, Step
from switch.clock import SYSTEM_CLOCK
from switch.demo_traffic import Figures


class Sender:
    """Sends at a rate and counts the answers."""

    def __init__(self) -> None:
        self._figures = Figures()
        self._left_out = 0
        self._last_error: str | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, per_second: float, send: Callable[[], Awaitable[None]]) -> None:
        """Begin to send so many times a second, until cancelled."""
        loop = asyncio.get_running_loop()
        next_at_s = loop.time()
        try:
            while True:
                self._begin(send)
                next_at_s = max(next_at_s + 1 / per_second, loop.time() - limits.SIMULATED_LOOK_S)
                await asyncio.sleep(next_at_s - loop.time())
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def count(self, asked: Awaitable[Payment | Step]) -> Payment | Step | None:
        """Wait for a decision and count it; None when there is none."""
        began_at_s = SYSTEM_CLOCK.monotonic_s()
        try:
            decided = await asked
        except ClientError as error:
            self._figures.unanswered += 1
            self._last_error = str(error)
            return None
        self._figures.latencies_s.append(SYSTEM_CLOCK.monotonic_s() - began_at_s)
        self._figures.outcomes[f"{decided.type} {decided.reason or decided.status}"] += 1
        return decided

    def figures(self) -> dict[str, Any]:
        """How the sending goes."""
        figures = self._figures
        return {
            "sent": figures.decision_count,
            "sent_per_s": round(figures.per_second, 1),
            "outcomes": dict(figures.outcomes),
            "unanswered": figures.unanswered,
            "last_error": self._last_error,
            "left_out": self._left_out,
            "latency_ms_p50": round(figures.latency_ms(0.5), 1),
            "latency_ms_p99": round(figures.latency_ms(0.99), 1),
        }

    def _begin(self, send: Callable[[], Awaitable[None]]) -> None:
        if len(self._under_way) >= limits.SIMULATED_IN_FLIGHT_MAX:
            self._left_out += 1
            return
        task = asyncio.ensure_future(send())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
