"""The commands about events that participants were not told: `switch event …`."""

from typing import Annotated

import typer

from switch import limits, terminal
from switch.cli_operator import AdminDatabaseUrl, DataDir, act
from switch.terminal import AsJson, option

event_app = typer.Typer(help="Events that a participant's callback URL did not take.")

Whose = Annotated[str | None, option("--participant", help="Of this participant only.")]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(metavar="[NUMBER]...", help="Numbers in its feed; all dead ones unless given."),
]


@event_app.command("dead")
def event_dead(
    participant: Whose = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Events that were given up, the longest dead first."""
    rows = act(admin_database_url, data_dir, lambda operator: operator.dead_events(participant))
    columns = ("participant", "number", "id", "attempts", "first_tried_at", "dead_at", "result")
    terminal.show({"events": rows}, as_json=as_json, text=terminal.table(rows, columns=columns))
    if len(rows) == limits.DEAD_EVENTS_LISTED_MAX:
        terminal.say(f"these are the first {len(rows)}: replay some, or name a --participant")


@event_app.command("replay")
def event_replay(
    participant: Annotated[str, typer.Argument(metavar="ID", help="Id of the participant.")],
    numbers: Numbers = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Push a participant's dead events again, from the first attempt on."""
    count = act(
        admin_database_url,
        data_dir,
        lambda operator: operator.replay_events(participant, numbers or None),
    )
    terminal.show(
        {"participant": participant, "replayed": count},
        as_json=as_json,
        text=f"{count} events are pushed to {participant} again",
    )
