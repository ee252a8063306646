"""The worked example of a page of docs/services, played at a live switch."""

import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from tests.integration.town import Member, Place, Reply

PAGES = Path(__file__).parents[2] / "docs" / "services"
EXCHANGE = re.compile(
    r"```http\n(?P<method>GET|POST) (?P<path>\S+)\n"
    r'(?:Idempotency-Key: "(?P<key>[^"]+)"\n)?(?:\n(?P<body>\{[^\n]*\})\n)?```'
    r".*?```json\n(?P<answer>\{[^\n]*\})\n```",
    re.DOTALL,
)


async def played(
    town: Place,
    page: str,
    real: Mapping[str, str],
    sender: Callable[[str], Member],
    *,
    steps: int,
    spends_no_key: Collection[str] = (),
) -> AsyncIterator[tuple[str, Reply]]:
    """Each request in its turn, answered as the page says: its path there, and the reply.

    `real` has what stands for ids and days of the example; it may grow between two steps. `sender`
    says who sends a request to a path; `spends_no_key` are paths whose POST makes nothing.
    """
    text = (PAGES / page).read_text(encoding="utf-8")
    exchanges = list(EXCHANGE.finditer(text))
    assert len(exchanges) == text.count("```http") == steps
    for exchange in exchanges:
        method, path = exchange["method"], exchange["path"]
        reply = await town.send(
            sender(path),
            method,
            _with(real, path),
            body=_with(real, exchange["body"]).encode() if exchange["body"] else None,
            key=exchange["key"],
        )
        makes = method == "POST" and path not in spends_no_key
        assert reply.status == (201 if makes else 200), reply.body
        assert _holds(reply.json, json.loads(_with(real, exchange["answer"]))), reply.body
        yield path, reply


def _with(real: Mapping[str, str], text: str) -> str:
    for example, own in real.items():
        text = text.replace(example, own)
    return text


def _holds(answer: Any, shown: Any) -> bool:
    """Whether an answer has all that the page shows of it."""
    if isinstance(shown, dict):
        return all(_holds(answer[name], value) for name, value in shown.items())
    if isinstance(shown, list):
        return len(answer) == len(shown) and all(map(_holds, answer, shown))
    return bool(answer == shown)
