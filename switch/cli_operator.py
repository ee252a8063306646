"""What the operator's commands share: their connection, and the options that several of them take.

The connection comes from `--admin-database-url` or from the embedded database of `--data-dir`,
beside a running switch or on a stopped one, which is then started for the moment.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from switch import admin, terminal
from switch.admin import Access, Operator
from switch.config import default_data_dir
from switch.currencies import CURRENCIES
from switch.errors import SwitchError
from switch.terminal import option

Result = TypeVar("Result")

AdminDatabaseUrl = Annotated[
    str | None,
    option("--admin-database-url", help="Postgres URL of the operator's role (external database)."),
]


def folder(given: Path | None) -> Path | None:
    """A folder as it was given, `~` meant as in a shell, which does not see the environment's."""
    return None if given is None else Path(os.path.expanduser(given))


# Whether a folder can be used is said by what uses it, so typer does not look.
DataDir = Annotated[
    Path | None,
    option(
        "--data-dir",
        help="Folder of the embedded database and the keys.",
        callback=folder,
        readable=False,
    ),
]
KeyDir = Annotated[
    Path | None,
    option(
        "--key-dir",
        help="Folder of the switch's own keys [DATA_DIR/keys].",
        callback=folder,
        readable=False,
    ),
]


def currency_code(given: str | None) -> str | None:
    """A currency as it was given, when there is such a one."""
    if given is not None and given not in CURRENCIES:
        raise typer.BadParameter(
            f"{given!r} is no currency: give its ISO 4217 code in capital letters, for example CNY"
        )
    return given


Currency = Annotated[
    str, option("--currency", help="ISO 4217 code, for example CNY.", callback=currency_code)
]


def access(admin_database_url: str | None, data_dir: Path | None) -> Access:
    """Where the operator's connection comes from; never an embedded database by mistake."""
    if admin_database_url is None and data_dir is None and "SWITCH_DATABASE_URL" in os.environ:
        raise SwitchError(
            "SWITCH_DATABASE_URL names an external database: give --admin-database-url"
            " (or SWITCH_ADMIN_DATABASE_URL) for the operator's role on it"
        )
    return Access(admin_database_url=admin_database_url, data_dir=data_dir or default_data_dir())


def act(
    admin_database_url: str | None,
    data_dir: Path | None,
    do: Callable[[Operator], Awaitable[Result]],
) -> Result:
    """One action over an operator's connection of its own."""

    async def work() -> Result:
        async with admin.operator(access(admin_database_url, data_dir)) as operator:
            return await do(operator)

    return terminal.run(work())


def key_folder(key_dir: Path | None, data_dir: Path | None) -> Path:
    """Where the switch's own private keys lie."""
    return key_dir or (data_dir or default_data_dir()) / "keys"
