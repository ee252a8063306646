"""How many payments are taken on at a time, and whose: as many as are decided soon.

More than that would only wait, and everybody with them. How many it is follows from how long those
that were decided have waited: Little's law says how many fit the time that one may wait. When the
room is taken, whoever has less than an equal share of it goes on, and whoever has more is refused,
before anything costly: so a flood of one participant is its own matter. Nothing is remembered of
who was refused; a refusal is not signed, and decides nothing.
"""

from switch import limits
from switch.budget import InFlight, overloaded
from switch.clock import Clock
from switch.errors import Problem

FULL = overloaded("more payments wait than are decided soon: send it again in a moment")


class Shares(InFlight):
    """Payments accepted and not answered, with a room that is smaller than what they may be."""

    def __init__(self, *, total_max: int, each_max: int, clock: Clock) -> None:
        super().__init__(total_max=total_max, each_max=each_max)
        self._clock = clock
        self._room_max = min(total_max, limits.PAYMENTS_ROOM_MAX)
        self.room = min(self._room_max, limits.PAYMENTS_ROOM_MIN)
        self._is_short = False  # somebody was refused in this window
        self._decided = 0
        self._waited_s = 0.0
        self._window_ends_s = float("-inf")

    def refusal(self, participant_no: int) -> Problem | None:
        """Why one more of this participant would be refused now, if so; nothing is taken."""
        if self.total < self.room:
            return None
        senders = len(self._each)
        count = self._each.get(participant_no, 0)
        if count * (senders if count else senders + 1) < self.room:
            return None
        self._is_short = True
        return FULL

    def decided(self, count: int, waited_s: float) -> None:
        """So many were decided at once, and have waited and been worked on for so long together."""
        self._decided += count
        self._waited_s += waited_s
        now_s = self._clock.monotonic_s()
        if now_s >= self._window_ends_s:
            self._window_ends_s = now_s + limits.PAYMENTS_ROOM_WINDOW_S
            self._fit(self._waited_s / self._decided)
            self._is_short = False
            self._decided = 0
            self._waited_s = 0.0

    def _fit(self, mean_s: float) -> None:
        """Less room when it took too long, at most by half at a time; more when it was missed."""
        if mean_s > limits.PAYMENT_WAIT_S_MEAN:
            fitting = int(self.total * limits.PAYMENT_WAIT_S_MEAN / mean_s)
            least = max(limits.PAYMENTS_ROOM_MIN, self.room // 2)
            self.room = min(self.room, max(least, fitting))
        elif self._is_short:
            more = max(1, int(self.room * limits.PAYMENTS_ROOM_GROWTH))
            self.room = min(self._room_max, self.room + more)
