"""What the service sends, and the one key by which aliases are indexed."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Final

import asyncpg

from switch import log
from switch.errors import LedgerUnavailable
from switch.queries import queries_of

QUERIES: Final = queries_of(files("switch.services") / "wallets" / "sql")
ANOTHER_KEY: Final = "SW001"  # SQLSTATE: the indexes were made by another key

_log = log.logger("wallets")


@contextmanager
def our_indexes() -> Iterator[None]:
    """Refuse for now, and tell the operator, when the aliases were indexed by another key."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if error.sqlstate != ANOTHER_KEY:
            raise
        hint = getattr(error, "hint", None)
        _log.error("another key of indexes", error=str(error), hint=hint)
        raise LedgerUnavailable(str(error)) from error
