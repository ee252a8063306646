"""JSON as text: what is lost once it is parsed, because parsers disagree about it. No I/O."""

import json
from typing import Any


def name_given_twice(body: bytes) -> str | None:
    """The first member that stands twice in one object of these bytes, which are valid JSON."""
    twice: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                twice.append(name)
            seen.add(name)

    json.loads(body, object_pairs_hook=note)
    return twice[0] if twice else None
