"""Time: the only place that asks the machine what time it is. Tests pass a clock of their own."""

import time
from datetime import UTC, datetime


class Clock:
    """Wall time for what others read, monotonic time for how long something took."""

    __slots__ = ()

    def now(self) -> datetime:
        """The time of day, UTC, aware."""
        return datetime.now(UTC)

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """Seconds of a clock that is never set back."""
        return time.monotonic()


SYSTEM_CLOCK = Clock()


def rfc3339(at: datetime) -> str:
    """`2026-11-01T08:00:00.000000Z`: UTC with microseconds, always 27 characters."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:26] + "Z"
