"""`switch disbursements`: what the operator sees and does of them."""

import asyncio
import csv
import io
from typing import Annotated, Any
from uuid import UUID

import typer

from switch import terminal
from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, DataDir, act
from switch.errors import SwitchError
from switch.services.disbursements import limits, message
from switch.services.disbursements.desk import QUERIES
from switch.terminal import AsJson, option

disbursements_app = typer.Typer(no_args_is_help=True, help="Payouts by the thousand.")

OPERATOR = 0  # the participant
Id = Annotated[UUID, typer.Argument(metavar="ID", help="Of the disbursement.")]
COLUMNS = (
    "id", "participant", "purpose", "status", "reason", "count", "paid", "declined", "percent",
    "payouts_per_second", "seconds_left",
)  # fmt: skip


@disbursements_app.command("list")
def listed(
    admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Every disbursement, and how far it is."""
    rows = act(admin_database_url, data_dir, _read)
    shown = [terminal_row(row) for row in rows]
    terminal.show(
        {"disbursements": shown}, as_json=as_json, text=terminal.table(shown, columns=COLUMNS)
    )


@disbursements_app.command()
def show(
    disbursement: Id,
    watch: Annotated[bool, option("--watch", help="Until it is paid or paused.")] = False,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """One disbursement, and how far it is."""

    async def work(operator: Operator) -> dict[str, Any]:
        return await (_watched if watch else _one)(operator, disbursement)

    row = terminal_row(act(admin_database_url, data_dir, work))
    terminal.show(row, as_json=as_json, text=terminal.table([row], columns=COLUMNS))


@disbursements_app.command()
def approve(
    disbursement: Id, admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Let a submitted one be paid."""
    _take(admin_database_url, data_dir, disbursement, "approve")


@disbursements_app.command()
def pause(
    disbursement: Id, admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Pay no further for now."""
    _take(admin_database_url, data_dir, disbursement, "pause")


@disbursements_app.command()
def resume(
    disbursement: Id, admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Go on paying."""
    _take(admin_database_url, data_dir, disbursement, "resume")


@disbursements_app.command()
def cancel(
    disbursement: Id, admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """Pay nothing more, for good."""
    _take(admin_database_url, data_dir, disbursement, "cancel")


@disbursements_app.command()
def results(
    disbursement: Id, admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """What became of each line that was tried, as CSV."""

    async def work(operator: Operator) -> None:
        await _one(operator, disbursement)
        typer.echo("line,account,amount,reference,payment,reason")
        after = (0, 0)
        while rows := await operator.ask(
            QUERIES["read_results"], None, disbursement, *after, limits.RESULTS_MAX
        ):
            after = rows[-1]["run"], rows[-1]["item"]
            written = io.StringIO()
            csv.writer(written, lineterminator="\n").writerows(
                (one.line, one.account, one.amount, one.reference, one.payment, one.reason)
                for one in map(message.as_result, rows)
            )
            typer.echo(written.getvalue(), nl=False)

    act(admin_database_url, data_dir, work)


def terminal_row(row: dict[str, Any]) -> dict[str, Any]:
    """A disbursement as a line of a table."""
    shown = message.as_it_stands(row)
    return {name: getattr(shown, name) for name in COLUMNS}


async def _read(operator: Operator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while rows := await operator.ask(
        QUERIES["read_disbursements"], None, None, after, limits.RESULTS_MAX
    ):
        found += rows
        after = rows[-1]["id"]
    return found


async def _one(operator: Operator, disbursement: UUID) -> dict[str, Any]:
    rows = await operator.ask(QUERIES["read_disbursements"], None, disbursement, None, 1)
    if not rows:
        raise SwitchError(
            f"there is no disbursement {disbursement}: see `switch disbursements list`"
        )
    return rows[0]


async def _watched(operator: Operator, disbursement: UUID) -> dict[str, Any]:
    with terminal.progress() as progress:
        row = await _one(operator, disbursement)
        task = progress.add_task("paying", total=row["count"])
        while True:
            progress.update(task, completed=row["paid"] + row["declined"])
            if row["status"] != "paying":
                return row
            await asyncio.sleep(limits.WATCH_S)
            row = await _one(operator, disbursement)


def _take(url: str | None, data_dir: Any, disbursement: UUID, name: str) -> None:
    async def work(operator: Operator) -> None:
        (row,) = await operator.ask(
            QUERIES["take_act"], OPERATOR, None, None, "operator", disbursement, name
        )
        if row["disposition"] == 4:
            await _one(operator, disbursement)
        if row["disposition"] != 0:
            raise SwitchError(
                f"a disbursement that is {row['was']} cannot be {_DONE[name]}:"
                f" see `switch disbursements show {disbursement}`"
            )

    act(url, data_dir, work)
    typer.echo(f"disbursement {disbursement} is {_DONE[name]}")


_DONE = {"approve": "approved", "pause": "paused", "resume": "resumed", "cancel": "cancelled"}
