"""How a server of somebody else is spared while it fails: a breaker, and pauses that double.

After several failures in a row a breaker is open. Then its server is to be asked once after a pause
that doubles up to a bound, until it does what is asked of it. What that means is the caller's
business: what counts as a failure, and what becomes of all that waits meanwhile.
"""

import random

from switch.clock import Clock


class Breaker:
    """One server, as it proved so far in this process."""

    def __init__(
        self, clock: Clock, *, failures_max: int, pause_s_min: float, pause_s_max: float
    ) -> None:
        self._clock = clock
        self._failures_max = failures_max
        self._pause_s_min = pause_s_min
        self._pause_s_max = pause_s_max
        self.reset()

    @property
    def is_open(self) -> bool:
        """Whether the server failed so often that it is to be asked one thing at a time."""
        return self._failures >= self._failures_max

    @property
    def is_spared(self) -> bool:
        """Whether it is open, and its pause has not passed."""
        return self.is_open and self._clock.monotonic_s() < self._spared_until_s

    def reset(self) -> None:
        """The server did what was asked, or is another one."""
        self._failures = 0  # in a row
        self._pauses = 0  # since it is open
        self._spared_until_s = 0.0

    def fail(self) -> None:
        """Count a failure; of those that were under way together only the first begins a pause."""
        self._failures += 1
        if self.is_open and not self.is_spared:
            wait_s = pause_s(self._pauses, self._pause_s_min, self._pause_s_max)
            self._pauses += 1
            self._spared_until_s = self._clock.monotonic_s() + wait_s


def pause_s(failures: int, min_s: float, max_s: float) -> float:
    """Exponential, with jitter, so that those who failed together do not return together."""
    ceiling_s = min(max_s, min_s * 2 ** min(failures, 32))
    return random.uniform(ceiling_s / 2, ceiling_s)  # noqa: S311  no secret
