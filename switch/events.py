"""`GET /v1/events`: a participant's own feed, and waiting for what comes next.

A feed is numbered without gaps and never changes, so a reader keeps one number. Whoever waits costs
nothing while nothing happens: a worker asks the ledger once for all who wait here, a few times a
second. Waiting has a budget of its own, so that it never takes the place of a look-up.
"""

import asyncio

from switch import examples, limits, log
from switch.admission import Admission, Caller, Request
from switch.budget import InFlight, ledger_unavailable
from switch.errors import LedgerUnavailable, Problem
from switch.event_message import EventPage
from switch.message import malformed
from switch.reads import Reads
from switch.reply import Answer, document, refused
from switch.requests import LIMIT, Rule, integer_schema, read_limit, read_query
from switch.service import Endpoint, Parameter

_log = log.logger("events")


class Events:
    """Serves the feeds of this worker's callers."""

    def __init__(self, *, admission: Admission, reads: Reads) -> None:
        self._admission = admission
        self._reads = reads
        self._budget = InFlight(
            total_max=limits.EVENT_WAITERS_MAX, each_max=limits.PARTICIPANT_EVENT_WAITERS_MAX
        )
        self._waiting: dict[int, set[asyncio.Future[None]]] = {}  # by participant
        self._seen: dict[int, int] = {}  # how far the feed was when somebody began to wait
        self._watch: asyncio.Task[None] | None = None
        self._is_draining = False

    async def serve(self, request: Request) -> Answer:
        """The events after a number; when there are none, those that come within the wait."""
        caller = await self._admission.admit(request)
        if isinstance(caller, Problem):
            return refused(caller)
        refusal = self._admission.read_refusal(caller) or self._budget.enter(
            caller.participant.number
        )
        if refusal is not None:
            return self._admission.seal(caller, refusal)
        try:
            result = await self._events(caller)
        except LedgerUnavailable:
            result = ledger_unavailable()
        finally:
            self._budget.leave(caller.participant.number)
        return self._admission.seal(caller, result)

    def drain(self) -> None:
        """Let nobody wait any longer."""
        self._is_draining = True
        for participant_no in tuple(self._waiting):
            self._wake(participant_no)
        if self._watch is not None:
            self._watch.cancel()

    async def _events(self, caller: Caller) -> Answer | Problem:
        parameters = read_query(
            caller.request.query, {"after": read_number, "limit": read_limit, "wait": read_wait}
        )
        if isinstance(parameters, Problem):
            return parameters
        participant_no = caller.participant.number
        after = parameters.get("after", 0)
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        feed, found = await self._reads.events(participant_no, after, count + 1)
        if after < feed.pruned_no:
            return Problem(
                name="archived",
                detail=f"events up to {feed.pruned_no} are no longer kept: go on with"
                f" after={feed.pruned_no}, and read what you missed from the payments",
            )
        if after > feed.last_no:
            return malformed(f"The feed goes up to {feed.last_no}.", "after")
        if after == feed.last_no and parameters.get("wait", 0) > 0:
            await self._wait(participant_no, feed.last_no, parameters["wait"])
            _, found = await self._reads.events(participant_no, after, count + 1)
        shown = found[:count]
        next_after = shown[-1].number if shown else after
        return document(
            EventPage(data=shown, has_more=len(found) > count, next_after=str(next_after))
        )

    async def _wait(self, participant_no: int, last_no: int, wait_s: int) -> None:
        """Until the feed goes further than `last_no`, or the time is over."""
        if self._is_draining:
            return
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        self._waiting.setdefault(participant_no, set()).add(woken)
        self._seen[participant_no] = min(last_no, self._seen.get(participant_no, last_no))
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look(), name="events")
        timer = loop.call_later(wait_s, self._end, woken)
        try:
            await woken
        finally:
            timer.cancel()
            waiting = self._waiting.get(participant_no, set())
            waiting.discard(woken)
            if not waiting:
                self._waiting.pop(participant_no, None)
                self._seen.pop(participant_no, None)

    @staticmethod
    def _end(woken: "asyncio.Future[None]") -> None:
        if not woken.done():
            woken.set_result(None)

    def _wake(self, participant_no: int) -> None:
        for woken in self._waiting.get(participant_no, ()):
            self._end(woken)

    async def _look(self) -> None:
        """Ask how far the feeds go, for everybody at once, while anybody waits."""
        while self._waiting:
            await asyncio.sleep(limits.EVENT_LOOK_S)
            try:
                feeds = await self._reads.feeds(tuple(self._waiting))
            except LedgerUnavailable:
                continue  # they are answered when their time is over
            for participant_no, feed in feeds.items():
                if feed.last_no > self._seen.get(participant_no, feed.last_no):
                    self._wake(participant_no)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            Endpoint(
                method="GET",
                path="/v1/events",
                name="list_events",
                summary="What happened to the payments of one's own accounts",
                handler=self.serve,
                answers={200: "Events in their order, which never changes; none if none came"},
                problems=("archived",),
                response=EventPage,
                response_example=examples.EVENT_PAGE,
                parameters=(_AFTER, LIMIT, _WAIT),
            ),
        )


def read_number(text: str) -> int | Rule:
    """The number of an event, or 0."""
    if text.isascii() and text.isdigit() and len(text) <= 18:
        return int(text)
    return Rule("Expected `next_after` of an earlier answer, or 0.")


def read_wait(text: str) -> int | Rule:
    """How long to wait, in seconds."""
    if text.isascii() and text.isdigit() and len(text) <= 2:
        seconds = int(text)
        if seconds <= limits.EVENT_WAIT_S_MAX:
            return seconds
    return Rule(f"Expected an integer from 0 to {limits.EVENT_WAIT_S_MAX}, in seconds.")


_AFTER = Parameter(
    name="after",
    what="`next_after` of the piece before; 0 from the start",
    schema={"type": "string", "pattern": "^[0-9]{1,18}$", "default": "0"},
)
_WAIT = Parameter(
    name="wait",
    what="How long to wait for the next event when there is none, in seconds",
    schema=integer_schema(0, limits.EVENT_WAIT_S_MAX, 0),
)
