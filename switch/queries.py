"""The statements of sql/queries.sql by name, and those of a service likewise."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

SQL: Traversable = files("switch") / "sql"

_NAMED = re.compile(r"^-- name: (?P<name>[a-z_]+)\n(?P<statement>.*?;)$", re.DOTALL | re.MULTILINE)


def read_queries(text: str) -> dict[str, str]:
    """Statements by name, as written in queries.sql: a line `-- name: x`, then one statement."""
    found = {match["name"]: match["statement"] for match in _NAMED.finditer(text)}
    assert len(found) == text.count("-- name: "), "every name has one statement, and names differ"
    return found


def queries_of(root: Traversable) -> MappingProxyType[str, str]:
    """The statements of a folder of SQL."""
    return MappingProxyType(read_queries((root / "queries.sql").read_text(encoding="utf-8")))


QUERIES = queries_of(SQL)
