"""What a statement that failed has done: surely nothing, or nobody knows.

A deciding statement that was sent and not answered may be committed all the same. Every call that
decides something goes through here, so that *not decided* is never said of it.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import asyncpg

from switch import limits
from switch.errors import LedgerUnavailable, OutcomeUnknown

Result = TypeVar("Result")


async def surely(
    connection: asyncpg.Connection, statement: Callable[[], Awaitable[Result]]
) -> Result:
    """Run a deciding statement; tell surely undone from unknown."""
    if connection.is_closed():
        raise LedgerUnavailable("the link to the ledger is closed")
    for _ in range(limits.AUTHORIZE_RETRIES_MAX):
        try:
            return await statement()
        except (asyncpg.PostgresError, *BROKEN) as error:
            if leaves_doubt(error):
                with suppress(asyncpg.InterfaceError):  # a pool has taken a lost connection back
                    connection.terminate()  # the backend may still commit; nothing may follow it
                raise OutcomeUnknown("the link to the ledger broke while it decided") from error
            if isinstance(error, asyncpg.InsufficientResourcesError):
                raise LedgerUnavailable("the ledger has no room for the statement") from error
            if not isinstance(error, asyncpg.DeadlockDetectedError | asyncpg.SerializationError):
                raise
            # rolled back as a whole: nothing was decided
    raise LedgerUnavailable("the ledger was too busy to decide")


def leaves_doubt(error: Exception) -> bool:
    """Whether the statement may be committed all the same.

    A server that ends the session with its last word, whatever that is, may do so after the commit
    was written: a disk that fails at the flush of the log makes it panic, and recovery finds it. A
    statement that was cancelled is undone, but it may have waited for an older backend that holds
    the same key and can still commit.
    """
    if getattr(error, "severity_en", None) in ("FATAL", "PANIC"):
        return True
    return isinstance(error, BROKEN)


# What says nothing about whether the statement committed. A time-out is the client's own.
BROKEN = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
