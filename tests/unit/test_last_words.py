"""What an error of the ledger says about a deciding statement: undone, decide again, or unknown."""

import asyncpg
import pytest

from switch import limits
from switch.doubt import surely
from switch.errors import LedgerUnavailable, OutcomeUnknown


class Link:
    """As much of a connection as is asked for: a real server does not panic on demand."""

    is_ended = False

    def is_closed(self) -> bool:
        return self.is_ended

    def terminate(self) -> None:
        self.is_ended = True


def said(severity: str, sqlstate: str) -> asyncpg.PostgresError:
    """An error as the driver makes it of what the server says."""
    words = {"S": severity, "V": severity, "C": sqlstate, "M": "the server's words"}
    error: asyncpg.PostgresError = asyncpg.PostgresError.new(words)
    return error


async def verdict(error: Exception) -> tuple[type[Exception], int, bool]:
    """What comes of a statement that ends so: the exception, how often it was tried, the link."""
    link, tries = Link(), 0

    async def decide() -> None:
        nonlocal tries
        tries += 1
        raise error

    with pytest.raises((LedgerUnavailable, OutcomeUnknown, asyncpg.PostgresError)) as raised:
        await surely(link, decide)
    return raised.type, tries, link.is_closed()


@pytest.mark.parametrize(
    "error",
    [
        said("PANIC", "58030"),  # could not fsync the log: the commit may have been written
        said("PANIC", "53100"),  # no space, found out at the flush
        said("FATAL", "57P01"),  # ended by the operator
        said("FATAL", "XX000"),
        said("ERROR", "57014"),  # waited too long, perhaps for an older backend with the same key
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InternalClientError("another operation is in progress"),
        TimeoutError(),
        ConnectionResetError(),
    ],
    ids=repr,
)
async def test_a_session_that_ended_leaves_the_outcome_unknown(error: Exception) -> None:
    """Whatever ends the session may come after the commit; nothing more is sent on that link."""
    assert await verdict(error) == (OutcomeUnknown, 1, True)


@pytest.mark.parametrize("sqlstate", ["53100", "53200"])
async def test_a_statement_without_room_is_undone(sqlstate: str) -> None:
    """A statement that found no room, in a session that goes on, was rolled back."""
    assert await verdict(said("ERROR", sqlstate)) == (LedgerUnavailable, 1, False)


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
async def test_a_deadlock_is_decided_again(sqlstate: str) -> None:
    """A batch that lost against another is tried again, boundedly, then refused as undone."""
    expected = (LedgerUnavailable, limits.AUTHORIZE_RETRIES_MAX, False)
    assert await verdict(said("ERROR", sqlstate)) == expected


async def test_what_nobody_foresaw_is_passed_on() -> None:
    """An error of the statement itself is the lane's to handle."""
    assert await verdict(said("ERROR", "22012")) == (asyncpg.DivisionByZeroError, 1, False)
