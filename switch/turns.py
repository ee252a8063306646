"""Look-ups let payments go first: one look-up is let in with each turn of the event loop.

Whatever arrived meanwhile is served between two turns. While a batch of payments is gathered, none
is let in, or each would bring a payment with it and the batch would wait for ever more. So payments
have the worker when they need it, and look-ups have it while the ledger decides. Where there are no
payments, look-ups follow each other at once. Nothing waits for a timer.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from switch import limits
from switch.budget import overloaded
from switch.errors import Problem


class Turns:
    """Who waits to be let in, in the order they came; bounded. `is_held`: nobody is let in now."""

    def __init__(self, is_held: Callable[[], bool]) -> None:
        self._is_held = is_held
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False  # the present turn

    async def take(self) -> Problem | None:
        """Wait for a turn, or say why not: too many wait."""
        loop = asyncio.get_running_loop()
        if not self._is_taken:
            self._is_taken = True
            loop.call_soon(self._give)
            if not self._is_held():
                return None
        if len(self._waiting) >= limits.LOOK_UPS_WAITING_MAX:
            return overloaded("more look-ups wait than the switch takes on")
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn
        return None

    def _give(self) -> None:
        """Let the next one in who still waits."""
        while self._waiting and not self._is_held():
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                asyncio.get_running_loop().call_soon(self._give)
                return
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
        else:
            self._is_taken = False
