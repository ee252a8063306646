"""Events on their way to callback URLs: typed calls of the functions in sql/.

The ledger keeps how far each feed was passed, a row for every turn, and one for every event that
was not taken then. What is under way at this moment it does not know: after a crash that is simply
sent again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from switch import limits
from switch.event_message import Event
from switch.queries import QUERIES
from switch.reads import Reads
from switch.traceparent import passed_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A participant whose callback URL is to be called now."""

    participant_no: int
    participant: str
    callback_url: str
    has_new: bool
    has_due: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event to push. An event that is None is the participant's no longer: nothing to push."""

    number: int
    payment: UUID  # events of one payment are sent in order
    attempts: int  # made so far
    is_behind: bool  # an earlier event of the payment waits to be taken
    event: Event | None
    traceparent: str | None = None  # for the call, where its payment came with one


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of it: taken, or when it is to be tried again, if it was tried at all."""

    number: int
    is_taken: bool
    wait_s: float | None = None  # None when it was taken, or not tried
    result: str | None = None  # of the attempt, for a person


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryBacklog:
    """How many events of a participant are still to be pushed, and how many were given up."""

    participant_no: int
    participant: str
    waiting: int
    dead: int


class Deliveries:
    """Reads what is to be pushed and records what became of it, on a pool of connections."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._reads = Reads(pool)

    async def new(self, participant_no: int, limit: int) -> list[Delivery]:
        """The next events of a feed, in their order."""
        return await self._read("read_new_deliveries", participant_no, limit)

    async def due(self, participant_no: int, limit: int) -> list[Delivery]:
        """Events to try again, one of each payment, the one that waits longest first."""
        return await self._read("read_due_deliveries", participant_no, limit)

    async def passed(self, participant_no: int, tried: Sequence[Tried]) -> None:
        """Record what became of new events, which are all up to the last of them."""
        left = [one for one in tried if not one.is_taken]
        await self._pool.execute(
            QUERIES["pass_deliveries"], participant_no, max(one.number for one in tried),
            *_columns(left),
        )  # fmt: skip

    async def settled(
        self, participant_no: int, tried: Sequence[Tried], *, give_up_s: float
    ) -> int:
        """Record what became of events that were tried again; how many of them are dead now."""
        dead: int = await self._pool.fetchval(
            QUERIES["settle_deliveries"], participant_no, *_columns(tried),
            timedelta(seconds=give_up_s),
        )  # fmt: skip
        return dead

    async def _read(self, query: str, participant_no: int, limit: int) -> list[Delivery]:
        rows = await self._pool.fetch(QUERIES[query], participant_no, limit)
        told = await self._reads.told(participant_no, rows)
        events = {event.number: event for event in told}
        return [
            Delivery(
                number=row["no"],
                payment=row["payment"],
                attempts=row["attempts"],
                is_behind=row["is_behind"],
                event=events.get(row["no"]),
                traceparent=passed_on(row["traceparent"], row["span_id"]),
            )
            for row in rows
        ]


async def delivery_work(connection: asyncpg.Connection) -> list[Work]:
    """Every participant to whom something is to be pushed now."""
    rows = await connection.fetch(QUERIES["read_delivery_work"], limits.DELIVERY_WAITING_MAX)
    return [Work(**dict(row)) for row in rows]


async def delivery_backlog(connection: asyncpg.Connection) -> list[DeliveryBacklog]:
    """What is still to be pushed, of every participant that has, or had, a callback URL."""
    rows = await connection.fetch(QUERIES["read_delivery_backlog"])
    return [DeliveryBacklog(**dict(row)) for row in rows]


def _columns(tried: Sequence[Tried]) -> tuple[list[int], list[timedelta | None], list[str | None]]:
    return (
        [one.number for one in tried],
        [None if one.wait_s is None else timedelta(seconds=one.wait_s) for one in tried],
        [one.result for one in tried],
    )
