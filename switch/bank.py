"""One bank that holds the money itself: calls of it that are under way, and how it does.

A call is made, its answer judged and recorded; only then its place is free again. What comes to no
decision is tried again under the same key after a pause: an authorization until its deadline, at
which the ledger declines it, a credit or reversal until the operator gives it up.

After several failures in a row the bank counts as down. Then its authorizations are declined at
once, and after a pause that doubles up to a bound it gets one call, until an answer verifies. A
credit or reversal counts as one failure, however often it is tried, so that one that the bank never
takes does not keep the others from it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from switch import limits, log
from switch.bank_answer import Judged, judge
from switch.bank_calls import Call, Called, Kind
from switch.bank_settling import Settling
from switch.breaker import Breaker, pause_s
from switch.callback import Callbacks
from switch.clock import Clock
from switch.keyfile import PublicKey
from switch.metrics import BankMetrics
from switch.signature import SigningKey

_log = log.logger("banks")
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all banks share: how to call, whose answers to trust, where to record them."""

    callbacks: Callbacks
    signing_key: Callable[[], SigningKey]
    keys_of: Callable[[int], Mapping[str, PublicKey] | None]  # None: not known at present
    settling: Settling
    metrics: BankMetrics
    clock: Clock


class Bank:
    """A bank's server, as it proved so far in this process."""

    def __init__(self, desk: Desk, participant: str) -> None:
        self._desk = desk
        self.participant = participant
        self._url: str | None = None
        self._breaker = Breaker(
            desk.clock,
            failures_max=limits.BANK_FAILURES_MAX,
            pause_s_min=limits.BANK_PAUSE_S_MIN,
            pause_s_max=limits.BANK_PAUSE_S_MAX,
        )
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def under_way_count(self) -> int:
        """How many calls have begun and are not settled."""
        return len(self._under_way)

    @property
    def is_down(self) -> bool:
        """Whether it failed so often that it gets one call at a time."""
        return self._breaker.is_open

    @property
    def is_shut(self) -> bool:
        """Whether it is not to be asked for an authorization now: there is no place for it."""
        return self.is_down and self.room == 0

    @property
    def room(self) -> int:
        """How many calls may begin now."""
        if self._breaker.is_spared:
            return 0
        return max(0, (1 if self.is_down else limits.BANK_CALLS_MAX) - len(self._under_way))

    def start(self, call: Call) -> None:
        """Begin a call; return at once."""
        if call.bank_url != self._url:
            self._url = call.bank_url
            self._breaker.reset()
        task = asyncio.create_task(self._make(call))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def end(self) -> None:
        """Break off what is under way; what was not settled is made again."""
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, call: Call) -> None:
        began_s = self._desk.clock.monotonic_s()
        try:
            judged = await self._attempt(call)
        except Exception as error:  # a fault of the program: the call is made again all the same
            _log.exception("a call failed", bank=self.participant, path=call.path)
            judged = Judged(fate="again", label="fault", detail=repr(error))
        took_s = self._desk.clock.monotonic_s() - began_s
        self._desk.metrics.calls.labels(self.participant, call.path, judged.label).inc()
        self._desk.metrics.call_seconds.labels(self.participant).observe(took_s)
        self._note(call, judged)
        await self._desk.settling.settled(_called(call, judged))

    async def _attempt(self, call: Call) -> Judged:
        timeout_s = limits.CALLBACK_TIMEOUT_S
        if call.deadline_at is not None:
            left_s = (call.deadline_at - self._desk.clock.now()).total_seconds()
            timeout_s = min(limits.BANK_ATTEMPT_S_MAX, left_s)
        if timeout_s <= 0:
            return Judged(fate="again", label="late", detail="its deadline has passed")
        if call.bank_url is None:
            return Judged(fate="unsent", label="no_url", detail="the bank has no URL any more")
        reply = await self._desk.callbacks.post(
            f"{call.bank_url.rstrip('/')}/{call.path}",
            participant=self.participant,
            key=self._desk.signing_key(),
            body=_encoder.encode(call.message),
            idempotency_key=call.idempotency_key,
            traceparent=call.traceparent,
            timeout_s=timeout_s,
        )
        keys = self._desk.keys_of(call.participant_no)
        if keys is None:
            detail = "the ledger does not say which keys of the bank are valid"
            return Judged(fate="again", label="keys_unknown", detail=detail)
        return judge(
            reply,
            path=call.path,
            message=call.message,
            keys=keys,
            now_us=self._desk.clock.now_us(),
        )

    def _note(self, call: Call, judged: Judged) -> None:
        """See how the bank does."""
        was_down = self.is_down
        if judged.fate == "decided":
            self._breaker.reset()
            if was_down:
                _log.info("a bank is back", bank=self.participant)
            return
        _log.info("a bank has not decided", bank=self.participant, path=call.path,
                  payment=str(call.payment), result=judged.detail)  # fmt: skip
        is_first = call.kind is Kind.AUTHORIZATION or call.attempts == 0
        if judged.label not in OURS and (is_first or was_down):
            self._breaker.fail()
        if self.is_down and not was_down:
            _log.warning("a bank is down", bank=self.participant, bank_url=call.bank_url,
                         result=judged.detail)  # fmt: skip


# What came to nothing for a reason that is not the bank's.
OURS = frozenset({"fault", "late", "keys_unknown", "no_url"})

# What an authorization is taken for when the bank has not decided it.
_TAKEN_FOR = {"again": None, "unsent": "unavailable", "unknown": "unknown"}


def _called(call: Call, judged: Judged) -> Called:
    """What the ledger is told: a decision, or when to try again."""
    if judged.fate == "decided":
        decision: str | None = judged.label
    elif call.kind is Kind.AUTHORIZATION:
        decision = _TAKEN_FOR[judged.fate]
    else:
        decision = None
    shortest_s, longest_s = (
        (limits.BANK_RETRY_S_MIN, limits.BANK_RETRY_S_MAX)
        if call.kind is Kind.AUTHORIZATION
        else (limits.BANK_REPEAT_S_MIN, limits.BANK_REPEAT_S_MAX)
    )
    return Called(
        payment=call.payment,
        kind=call.kind,
        decision=decision,
        result=judged.detail,
        wait_s=pause_s(call.attempts, shortest_s, longest_s),
    )
