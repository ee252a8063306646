"""The operator's `switch trace`: one payment followed from its message to its events."""

from typing import Annotated, Any

import msgspec
import typer

from switch import terminal
from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, DataDir, act
from switch.terminal import AsJson, option
from switch.timeline import Timeline, TimelineEntry


def trace(
    name: Annotated[
        str, typer.Argument(metavar="ID|KEY", help="Id of a payment or step, or its key.")
    ],
    participant: Annotated[
        str | None, option("--participant", help="Whose idempotency key it is, if several used it.")
    ] = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Everything that is known about one payment, in order."""

    async def follow(operator: Operator) -> Timeline:
        return await operator.timeline(await operator.find_payment(name, participant=participant))

    timeline = act(admin_database_url, data_dir, follow)
    rows = [_row(entry) for entry in timeline.entries]
    terminal.show(
        msgspec.to_builtins(timeline),
        as_json=as_json,
        text=terminal.table(rows, columns=("at", "what", "id", "facts")),
    )
    if not timeline.is_complete:
        terminal.say(f"the first {_messages(timeline)} messages are shown; it has more")


def _messages(timeline: Timeline) -> int:
    return len({entry.id for entry in timeline.entries})


def _row(entry: TimelineEntry) -> dict[str, Any]:
    """An entry for people: what it is about in one cell, named as in the document."""
    facts = msgspec.to_builtins(entry)
    row = {name: facts.pop(name) for name in ("at", "what", "id")}
    return row | {"facts": " ".join(f"{name}={value}" for name, value in facts.items())}
