"""Sealing personal data anew with the key that seals now, so that an older one can go.

Each piece is a transaction of its own, and a value is replaced only where it stands as it was read,
so it may be interrupted and begun again beside a running switch, as often as one likes.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from switch.queries import queries_of
from switch.services.wallets import limits
from switch.services.wallets.seal import Place, SecretBox

QUERIES: Final = queries_of(files("switch.services") / "wallets" / "sql")
TABLE: Final = "wallets.wallet"
COLUMNS: Final = ("sealed_phone", "sealed_name", "sealed_document")

Ask = Callable[..., Awaitable[Sequence[Mapping[str, Any]]]]


async def reseal(ask: Ask, box: SecretBox) -> int:
    """Seal anew what another key sealed; how many wallets that were. `ask` sends a statement.

    Raises SealedElsewhere, with the pieces before it done, when a value does not open.
    """
    after: UUID | None = None
    changed = 0
    while True:
        rows = await ask(QUERIES["read_sealed"], after, limits.RESEALED_AT_ONCE)
        if not rows:
            return changed
        old = [row for row in rows if not _is_current(row, box)]
        if old:
            [answer] = await ask(
                QUERIES["reseal"], [row["account"] for row in old],
                *([row[column] for row in old] for column in COLUMNS),
                *([_anew(row, column, box) for row in old] for column in COLUMNS),
            )  # fmt: skip
            changed += answer["changed"]
        after = rows[-1]["account"]


def _is_current(row: Mapping[str, Any], box: SecretBox) -> bool:
    return all(row[column] is None or box.is_current(row[column]) for column in COLUMNS)


def _anew(row: Mapping[str, Any], column: str, box: SecretBox) -> bytes | None:
    if row[column] is None:
        return None
    place = Place(table=TABLE, row=row["account"], column=column)
    return box.seal(box.open(row[column], place), place)
