"""Who is told events: verified, noted once however often they come, and handed on.

`number` is the place in the feed and says nothing about when an event arrives: events of different
payments overtake each other. So nothing here minds an order.
"""

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from switch.clock import Clock, rfc3339
from switch.digest import digest_field
from switch.errors import Problem
from switch.message import Id, decode
from switch.reply import Answer, document
from switch.simulate.door import Asked
from switch.simulate.journal import Journal, Line
from switch.simulate.knobs import Knobs, changed


class Told(Struct, frozen=True, kw_only=True):
    """What a participant needs to know of an event; the rest may change and is passed over."""

    type: str
    payment: "ToldPayment | None" = None
    step: "ToldStep | None" = None


class ToldPayment(Struct, frozen=True, kw_only=True):
    """A payment that was decided."""

    id: Id
    amount: int | None = None
    currency: str | None = None


class ToldStep(Struct, frozen=True, kw_only=True):
    """A step of a payment, its parent."""

    parent: Id
    amount: int | None = None
    currency: str | None = None
    final: bool | None = None


_EVENT = msgspec.json.Decoder(Told)
TAKEN = document({"status": "taken"})


def event_line(asked: Asked, clock: Clock) -> Line | Problem:
    """An event as a line: a step stands under the payment that it was a step of."""
    event = decode(_EVENT, asked.body)
    if isinstance(event, Problem):
        return event
    step, payment = event.step, event.payment
    about = step or payment
    return Line(
        at=rfc3339(clock.now()),
        what=event.type,
        key=asked.key,
        request_digest=digest_field(asked.body),
        payment=step.parent if step else payment.id if payment else None,
        amount=about.amount if about else None,
        currency=about.currency if about else None,
        final=step.final if step else None,
    )


class Inbox:
    """The room of a participant that is told events and nothing else."""

    paths: tuple[str, ...] = ("/events",)

    def __init__(
        self,
        journal: Journal,
        *,
        knobs: Knobs,
        clock: Clock,
        hand_on: Callable[[Line], None],
        figures: Callable[[], Mapping[str, object]],
    ) -> None:
        self._knobs = knobs
        self._journal = journal
        self._clock = clock
        self._hand_on = hand_on
        self._figures = figures
        self._seen: set[str] = set()
        self._events: Counter[str] = Counter()
        for line in journal.lines:
            self._keep(line)

    @property
    def knobs(self) -> Knobs:
        """As they are now."""
        return self._knobs

    def turn(self, document: bytes) -> None:
        """Change those that a JSON object names."""
        self._knobs = changed(self._knobs, document)

    async def settled(self) -> None:
        """Wait until all that was taken is on disk."""
        await self._journal.settled()

    def act(self, asked: Asked) -> Answer | Problem:
        """Take an event, once."""
        if asked.key in self._seen:
            return TAKEN
        line = event_line(asked, self._clock)
        if isinstance(line, Problem):
            return line
        self._journal.append(line)
        self._keep(line)
        return TAKEN

    def figures(self) -> Mapping[str, object]:
        """Which events came, and how the sending goes."""
        return {"events": dict(self._events), **self._figures()}

    def _keep(self, line: Line) -> None:
        self._seen.add(line.key)
        self._events[line.what] += 1
        self._hand_on(line)
