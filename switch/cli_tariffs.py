"""The commands about who sells: `switch tariff …`, what is kept of it; `shop …`, where it is."""

import re
from typing import Annotated, Any
from uuid import UUID

import typer

from switch import terminal
from switch.cli_operator import AdminDatabaseUrl, Currency, DataDir, act
from switch.queries import QUERIES
from switch.terminal import AsJson, option

tariff_app = typer.Typer(help="What is kept of purchases, by tariff.")
shop_app = typer.Typer(help="Where merchants trade.")

_SHARE = re.compile(r"([0-9a-fA-F-]{36}):(\d{1,7})(?::(\d{0,15}))?(?::(\d{0,15}))?(?::(\d{0,15}))?")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the tariff.")]
Seller = Annotated[UUID, typer.Argument(metavar="ACCOUNT", help="Of kind merchant or government.")]


@tariff_app.command("set")
def tariff_set(
    name: Name,
    currency: Currency,
    share: Annotated[
        list[str],
        option(
            "--share",
            help="ACCOUNT:PARTS_PER_MILLION[:FIXED[:MIN[:MAX]]] in minor units; may be repeated.",
        ),
    ],
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a tariff, or replace its shares. Each goes to an account of kind fee.

    3800 parts per million are 0.38 %, rounded half up to a minor unit; FIXED is added, MIN and MAX
    bound the sum.
    """
    shares = [_share(text) for text in share]
    columns = [list(column) for column in zip(*shares, strict=True)]
    _do(admin_database_url, data_dir, "set_tariff", name, currency, *columns)
    terminal.show(
        {"name": name, "currency": currency},
        as_json=as_json,
        text=f"tariff {name} in {currency} is set",
    )


@tariff_app.command("use")
def tariff_use(
    account: Seller,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of the tariff [none].")
    ] = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """By which tariff an account is paid from now on."""
    _do(admin_database_url, data_dir, "set_account_tariff", account, name)
    terminal.show(
        {"id": account, "tariff": name},
        as_json=as_json,
        text=f"{account} is paid by tariff {name}" if name else f"{account} is paid in full",
    )


@tariff_app.command("list")
def tariff_list(
    admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Every tariff and its shares."""
    rows = _do(admin_database_url, data_dir, "list_tariffs")
    columns = ("name", "currency", "account", "parts_per_million", "fixed", "share_min",
               "share_max", "accounts")  # fmt: skip
    terminal.show({"tariffs": rows}, as_json=as_json, text=terminal.table(rows, columns=columns))


@shop_app.command("set")
def shop_set(
    account: Seller,
    category: Annotated[
        str | None, option("--category", help="Of merchants, four digits (ISO 18245).")
    ] = None,
    district: Annotated[str | None, option("--district", help="Where it is.")] = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """What an account sells, and where; purposes and campaigns go by it."""
    _do(admin_database_url, data_dir, "set_shop", account, category, district)
    terminal.show(
        {"id": account, "category": category, "district": district},
        as_json=as_json,
        text=f"{account} is a shop of category {category} in district {district}",
    )


def _do(admin_database_url: str | None, data_dir: Any, query: str, *arguments: Any) -> Any:
    return act(
        admin_database_url, data_dir, lambda operator: operator.ask(QUERIES[query], *arguments)
    )


def _share(text: str) -> tuple[UUID, int, int, int, int | None]:
    found = _SHARE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no share: give ACCOUNT:PARTS_PER_MILLION, and if wanted :FIXED:MIN:MAX"
        )
    account, parts, fixed, low, high = found.groups()
    return UUID(account), int(parts), int(fixed or 0), int(low or 0), int(high) if high else None
