"""Who has used up what one sender may take: failed signatures, look-ups, work that is not finished.

All are counted in memory of one worker, all are bounded, and all say no before anything costly.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable

from switch import limits
from switch.clock import Clock
from switch.errors import Problem

OUTCOME_UNKNOWN = Problem(
    name="outcome-unknown",
    detail="the link to the ledger broke while committing: send the same request again",
)


class FailureBudget:
    """Failed signatures by (peer, key id): a token bucket each, the least recent are forgotten.

    Only failures are entered, so the map is empty on a quiet day and a good request costs nothing.
    Behind a proxy all senders are one peer, so whoever forges signatures of a key would silence its
    owner. A pair whose bucket is empty is therefore still verified while a second bucket lasts, one
    for all such pairs: it bounds what forgers cost, and leaves the owner its share of attempts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._spare = (limits.SPARE_VERIFICATIONS_BURST, float("-inf"))

    def enter(self, peer: str, key_id: str) -> Problem | None:
        """Let one more of this peer and key id be verified, or say why not."""
        bucket = self._buckets.get((peer, key_id))
        if bucket is None or self._tokens(bucket) >= 1.0 or self._take_spare():
            return None
        return Problem(
            name="too-many-requests",
            detail="too many signatures of this key failed from this address",
            retry_after_s=limits.RETRY_AFTER_S,
        )

    def charge(self, peer: str, key_id: str) -> None:
        """Enter one failure."""
        known = self._buckets.pop((peer, key_id), None)
        tokens = limits.FAILED_SIGNATURES_BURST if known is None else self._tokens(known)
        self._buckets[peer, key_id] = (max(0.0, tokens - 1.0), self._clock.monotonic_s())
        if len(self._buckets) > limits.FAILED_SIGNATURE_ENTRIES_MAX:
            self._buckets.popitem(last=False)

    def _tokens(self, bucket: tuple[float, float]) -> float:
        tokens, at_s = bucket
        refilled = (self._clock.monotonic_s() - at_s) * limits.FAILED_SIGNATURES_PER_S
        return min(limits.FAILED_SIGNATURES_BURST, tokens + refilled)

    def _take_spare(self) -> bool:
        tokens, at_s = self._spare
        now_s = self._clock.monotonic_s()
        refilled = (now_s - at_s) * limits.SPARE_VERIFICATIONS_PER_S
        tokens = min(limits.SPARE_VERIFICATIONS_BURST, tokens + refilled)
        is_left = tokens >= 1.0
        self._spare = (tokens - is_left, now_s)
        return is_left


class RateBudget:
    """So many a second of each sender, in bursts of twice that; the least recent are forgotten."""

    def __init__(self, clock: Clock, *, per_s: float) -> None:
        self._clock = clock
        self._per_s = per_s
        self._burst = 2.0 * per_s
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def enter(self, sender: Hashable) -> Problem | None:
        """Take one, or say why not; a refusal takes nothing."""
        now_s = self._clock.monotonic_s()
        tokens = self._tokens(self._buckets.pop(sender, None), now_s)
        is_left = tokens >= 1.0
        self._buckets[sender] = (tokens - is_left, now_s)
        if len(self._buckets) > limits.RATE_ENTRIES_MAX:
            self._buckets.popitem(last=False)
        return None if is_left else self._refusal()

    def refusal(self, sender: Hashable) -> Problem | None:
        """Why one more would be refused now, if so; nothing is taken."""
        known = self._buckets.get(sender)
        if known is None or self._tokens(known, self._clock.monotonic_s()) >= 1.0:
            return None
        return self._refusal()

    def _tokens(self, known: tuple[float, float] | None, now_s: float) -> float:
        if known is None:
            return self._burst
        tokens, at_s = known
        return min(self._burst, tokens + (now_s - at_s) * self._per_s)

    def _refusal(self) -> Problem:
        return Problem(
            name="too-many-requests",
            detail=f"more than {self._per_s:g} look-ups a second; wait for events instead",
            retry_after_s=limits.RETRY_AFTER_S,
        )

    def give_back(self, sender: Hashable) -> None:
        """What was taken for this sender was not its own."""
        known = self._buckets.get(sender)
        if known is not None:
            tokens, at_s = known
            self._buckets[sender] = (min(self._burst, tokens + 1.0), at_s)


class InFlight:
    """Work accepted and not answered: of all participants together, and of each."""

    def __init__(self, *, total_max: int, each_max: int) -> None:
        self.total = 0
        self._total_max = total_max
        self._each_max = each_max
        self._each: dict[int, int] = {}
        self._emptied: asyncio.Future[None] | None = None

    def enter(self, participant_no: int) -> Problem | None:
        """Count one more, or say why not; only what was counted is to `leave`."""
        count = self._each.get(participant_no, 0)
        if count >= self._each_max:
            return Problem(
                name="too-many-requests",
                detail=f"{self._each_max} requests of this participant are unanswered here",
                retry_after_s=limits.RETRY_AFTER_S,
            )
        if self.total >= self._total_max:
            return overloaded()
        self._each[participant_no] = count + 1
        self.total += 1
        return None

    def leave(self, participant_no: int) -> None:
        """One that entered is answered."""
        count = self._each[participant_no] - 1
        self.total -= 1
        if count:
            self._each[participant_no] = count
        else:
            del self._each[participant_no]
        if not self.total and self._emptied is not None:
            if not self._emptied.done():
                self._emptied.set_result(None)
            self._emptied = None

    async def empty(self) -> None:
        """Wait until everything that entered is answered; one at a time waits for this."""
        while self.total:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied


def overloaded(detail: str = "the switch has as much work as it takes on") -> Problem:
    """Not decided, try again: full or stopping."""
    return Problem(name="overloaded", detail=detail, retry_after_s=limits.RETRY_AFTER_S)


def ledger_unavailable(detail: str = "the ledger cannot be reached") -> Problem:
    """Not decided, try again: no ledger."""
    return Problem(name="ledger-unavailable", detail=detail, retry_after_s=limits.RETRY_AFTER_S)
