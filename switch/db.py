"""Connections to Postgres: how every process opens them, and with which bounds."""

import asyncpg

from switch import limits
from switch.errors import SwitchError

# What a session must never change: an answer is given only after its commit is on disk.
_SETTINGS = {"synchronous_commit": "on", "timezone": "UTC", "jit": "off"}


async def connect(
    url: str, *, application_name: str, statement_timeout_s: float = limits.STATEMENT_TIMEOUT_S
) -> asyncpg.Connection:
    """A connection for one owner, whose prepared statements live as long as it does.

    Raises SwitchError when the database cannot be reached or refuses the login.
    """
    try:
        return await asyncpg.connect(
            url,
            timeout=limits.CONNECT_TIMEOUT_S,
            max_cached_statement_lifetime=0,  # else a statement dies after five minutes
            server_settings=_settings(application_name, statement_timeout_s),
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unreachable(error) from error


def pool(
    url: str, *, application_name: str, size: int = limits.READ_CONNECTIONS_MAX
) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool for short questions, to be used with `async with`; it opens connections as needed."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        timeout=limits.CONNECT_TIMEOUT_S,
        command_timeout=limits.READ_TIMEOUT_S,
        max_cached_statement_lifetime=0,
        reset=_nothing_to_reset,
        server_settings=_settings(application_name, limits.STATEMENT_TIMEOUT_S),
    )


async def _nothing_to_reset(_: object) -> None:
    """A short question leaves nothing behind in its session; asking for a reset would double it."""


def unreachable(error: Exception) -> SwitchError:
    """Says in one line why there is no connection, without the URL, which holds a password."""
    reason = str(error) or type(error).__name__
    return SwitchError(
        f"the database cannot be reached ({reason}): check the database URL and that it is running"
    )


def _settings(application_name: str, statement_timeout_s: float) -> dict[str, str]:
    milliseconds = str(int(statement_timeout_s * 1000))
    return {
        **_SETTINGS,
        "application_name": application_name,
        "statement_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,  # it would hold the horizon back
    }
