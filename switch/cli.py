"""The command line: `switch …`, every command of the wire contract's last section but one.

A command gathers its options, calls what does the work, and prints the result. The families have
files of their own: `cli_serve`, `cli_demo`, `cli_participants`, `cli_accounts`, `cli_banks`,
`cli_receipts`, `cli_simulate`, `cli_conformance`. Usage errors and refusals are one line on
standard error.
"""

import importlib.metadata
import platform
import sys
from collections.abc import Sequence
from typing import Any

import typer

from switch import admin, migrate, terminal
from switch.cli_accounts import account_app, issue, redeem, reverse, tier_app
from switch.cli_banks import bank_app
from switch.cli_conformance import conformance
from switch.cli_demo import demo, pay
from switch.cli_events import event_app
from switch.cli_operator import AdminDatabaseUrl, DataDir, access, act
from switch.cli_participants import key_app, participant_app
from switch.cli_receipts import receipt_app
from switch.cli_serve import KeyValidityMax, TimeZone, serve
from switch.cli_simulate import simulate_app
from switch.cli_status import status
from switch.cli_tariffs import shop_app, tariff_app
from switch.cli_trace import trace
from switch.errors import SwitchError
from switch.service import Service
from switch.services import SERVICES, SOURCES
from switch.terminal import AsJson

app = typer.Typer(
    help="A payment switch: signed, idempotent, durable payments between a city's participants.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(participant_app, name="participant")
app.add_typer(key_app, name="key")
app.add_typer(tier_app, name="tier")
app.add_typer(tariff_app, name="tariff")
app.add_typer(shop_app, name="shop")
app.add_typer(account_app, name="account")
app.add_typer(receipt_app, name="receipt")
app.add_typer(event_app, name="event")
app.add_typer(bank_app, name="bank")
app.add_typer(simulate_app, name="simulate")
app.command()(serve)
app.command()(demo)
app.command()(pay)
app.command()(status)
app.command()(issue)
app.command()(redeem)
app.command()(reverse)
app.command()(trace)
app.command()(conformance)


def mount(root: typer.Typer, services: Sequence[Service]) -> None:
    """Give each service that has commands a family of its name, and its simulators theirs, once."""
    families = {group.name for group in root.registered_groups}
    simulated = {command.name for command in simulate_app.registered_commands}
    for service in services:
        if service.commands is not None and service.name not in families:
            root.add_typer(service.commands(), name=service.name)
        if service.simulators is not None:
            commands = service.simulators().registered_commands
            simulate_app.registered_commands += [
                command for command in commands if command.name not in simulated
            ]


def main() -> None:
    """Run one command; the exit code is 0 done, 1 refused or failed, 2 wrong usage."""
    mount(app, SERVICES)
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        terminal.say(f"{error.format_message().rstrip('.')}{hint}")
        code = getattr(error, "exit_code", terminal.EXIT_FAILED)
    except SwitchError as error:
        terminal.say(str(error))
        code = terminal.EXIT_FAILED
    except typer.Abort:
        code = terminal.EXIT_FAILED
    sys.exit(code if isinstance(code, int) else 0)


@app.command()
def version(as_json: AsJson = False) -> None:
    """What is installed."""
    installed = importlib.metadata.version("payment-switch")
    document = {"version": installed, "python": platform.python_version()}
    terminal.show(document, as_json=as_json, text=f"switch {installed}")


@app.command("migrate")
def migrate_command(
    time_zone: TimeZone = None,
    key_validity_max: KeyValidityMax = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database's tables and functions to this version; safe to repeat."""

    async def work() -> migrate.Migration:
        where = access(admin_database_url, data_dir)
        async with admin.database_url(where, may_make=True) as url:
            done = await migrate.migrate(
                url, SOURCES, time_zone=time_zone, key_validity_d_max=key_validity_max
            )
            if where.admin_database_url is None:
                await migrate.create_embedded_roles(url)
            return done

    done = terminal.run(work())
    terminal.show(
        {"version": done.version, "applied": list(done.applied)},
        as_json=as_json,
        text=f"the database is at version {done.version}",
    )


@app.command("check-books")
def check_books(
    admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Prove the books: conservation, floors, and every balance derived again from its payments."""
    with terminal.waiting("checking the books"):
        found = act(admin_database_url, data_dir, admin.Operator.check_books)
    if not found:
        text: Any = "the books are right"
    else:
        text = terminal.table(found, columns=("check_name", "subject", "detail"))
    terminal.show({"right": not found, "deviations": found}, as_json=as_json, text=text)
    if found:
        terminal.fail(f"the books are wrong in {len(found)} places: stop issuing and find out why")
