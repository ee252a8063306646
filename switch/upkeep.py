"""What is done beside the payments: credits are added up, holds expire, accounts close, books are
checked. Typed calls of the functions in sql/ for the jobs and the operator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from switch import limits
from switch.ledger import SHARD, new_id
from switch.queries import QUERIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What one fold came to."""

    credits: int
    accounts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One way in which the books are wrong."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStatus:
    """How far the jobs have come."""

    unfolded_credits: int
    fold_lag_s: float
    books_checked_at: datetime | None
    books_deviations: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """How large the database is, and what its server has done since it was made or counts anew."""

    stored_bytes: int
    connections: int  # at this moment
    wal_bytes: int
    read_bytes: int  # asked of the system, because Postgres did not have them in its own cache
    commits: int
    deadlocks: int


async def sweep_funds(connection: asyncpg.Connection, now_us: int, limit: int) -> int:
    """Give back what is left in purses and campaigns that have ended; how many were looked at."""
    ids = [new_id(now_us) for _ in range(limit)]
    return int(await connection.fetchval(QUERIES["sweep_funds"], ids))


async def fold_credits(connection: asyncpg.Connection, limit: int) -> Folded:
    """Add waiting credits to balances, at most about `limit` of them."""
    row = await connection.fetchrow(QUERIES["fold_credits"], SHARD, limit)
    assert row is not None, "a fold returns one row"
    return Folded(credits=row["credits"], accounts=row["accounts"])


async def expire_holds(connection: asyncpg.Connection, limit: int) -> int:
    """Post that holds past their time are expired, looking at so many; how many were posted."""
    expired: int = await connection.fetchval(QUERIES["expire_holds"], SHARD, limit)
    return expired


async def sequence_events(connection: asyncpg.Connection, limit: int) -> int:
    """Number what was left in the outbox, at most so much; how much it was."""
    taken: int = await connection.fetchval(QUERIES["sequence_events"], limit)
    return taken


async def prune_events(connection: asyncpg.Connection, days: int, limit: int) -> int:
    """Forget events older than so many days, at most so many runs; how many it were."""
    pruned: int = await connection.fetchval(QUERIES["prune_events"], days, limit)
    return pruned


async def prune_deliveries(connection: asyncpg.Connection, days: int, limit: int) -> int:
    """Forget events that are dead for so many days, and what was taken before the feeds begin.

    At most so many of each; how many of one kind it were at most.
    """
    pruned: int = await connection.fetchval(QUERIES["prune_deliveries"], days, limit)
    return pruned


async def prune_bank_calls(connection: asyncpg.Connection, days: int, limit: int) -> int:
    """Forget calls of banks that are finished for so many days, at most so many; how many."""
    pruned: int = await connection.fetchval(QUERIES["prune_bank_calls"], days, limit)
    return pruned


async def finish_closing(connection: asyncpg.Connection) -> int:
    """Close what is closing and empty; how many accounts."""
    closed: int = await connection.fetchval(QUERIES["finish_closing"], limits.PAGE_SIZE_MAX)
    return closed


async def check_books(connection: asyncpg.Connection, also: Sequence[str] = ()) -> list[Deviation]:
    """Every deviation, the ledger's in one snapshot and those of each further statement in one of
    its own; empty when the books are right.
    """
    found: list[Deviation] = []
    for statement in (QUERIES["check_books"], *also):
        rows = await connection.fetch(statement, timeout=limits.BOOKS_CHECK_S_MAX)
        found += (
            Deviation(check=row["check_name"], subject=row["subject"], detail=row["detail"])
            for row in rows
        )
    return found


async def record_books_check(connection: asyncpg.Connection, deviations: int) -> None:
    """Keep the result of a books check."""
    await connection.execute(QUERIES["record_books_check"], deviations)


async def event_lag_s(connection: asyncpg.Connection) -> float:
    """Age of the oldest event without a number, 0 when all have theirs."""
    age_s: float | None = await connection.fetchval(QUERIES["read_unnumbered"])
    return age_s or 0.0


async def database_state(connection: asyncpg.Connection) -> DatabaseState:
    """What Postgres tells of itself to every role."""
    row = await connection.fetchrow(QUERIES["read_database_state"])
    assert row is not None, "a database has one row of statistics"
    return DatabaseState(**dict(row))


async def ledger_status(connection: asyncpg.Connection) -> LedgerStatus:
    """The backlog of the fold and the last books check."""
    waiting = await connection.fetchrow(QUERIES["read_waiting"])
    books = await connection.fetchrow(QUERIES["read_books_check"])
    assert waiting is not None, "the backlog is one row"
    return LedgerStatus(
        unfolded_credits=waiting["credits"],
        fold_lag_s=waiting["oldest_age_s"] or 0.0,
        books_checked_at=None if books is None else books["checked_at"],
        books_deviations=None if books is None else books["deviations"],
    )
