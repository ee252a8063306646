"""The commands about money: `switch tier …`, `account …`, `issue`, `redeem` and `reverse`."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from switch import limits, terminal
from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, Currency, DataDir, act, currency_code
from switch.message import Account
from switch.terminal import AsJson, option

AccountId = Annotated[UUID, typer.Argument(metavar="ID", help="Id of the account.")]
Amount = Annotated[
    int,
    typer.Argument(metavar="AMOUNT", help="In minor units (fen).", min=1, max=limits.AMOUNT_MAX),
]
Reason = Annotated[str, option("--reason", help="Why; kept with the payment.")]
PaymentId = Annotated[
    UUID | None,
    option("--id", help="Id of the payment, done once; to repeat what broke [a new one]."),
]

tier_app = typer.Typer(help="Limits, by tier.")
account_app = typer.Typer(help="Accounts of every participant.")


@tier_app.command("set")
def tier_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the tier.")],
    currency: Currency,
    payment_limit: Annotated[
        int | None, option("--payment-limit", help="Most for one payment [none].", min=0)
    ] = None,
    daily_limit: Annotated[
        int | None, option("--daily-limit", help="Most in one local day [none].", min=0)
    ] = None,
    yearly_limit: Annotated[
        int | None, option("--yearly-limit", help="Most in one local year [none].", min=0)
    ] = None,
    balance_limit: Annotated[
        int | None, option("--balance-limit", help="Most on the account [none].", min=0)
    ] = None,
    choosable: Annotated[
        bool, option("--choosable", help="Participants may ask for it when they open an account.")
    ] = False,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a tier, or replace its limits. A limit that is not given is none."""
    act(
        admin_database_url,
        data_dir,
        lambda operator: operator.set_tier(
            name,
            currency=currency,
            payment_limit=payment_limit,
            daily_limit=daily_limit,
            yearly_limit=yearly_limit,
            balance_limit=balance_limit,
            choosable=choosable,
        ),
    )
    document = {"name": name, "currency": currency, "payment_limit": payment_limit}
    document |= {"daily_limit": daily_limit, "yearly_limit": yearly_limit}
    terminal.show(
        document | {"balance_limit": balance_limit, "choosable": choosable},
        as_json=as_json,
        text=f"tier {name} in {currency} is set",
    )


@tier_app.command("default")
def tier_default(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="Kind of account, for example wallet.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the tier.")],
    currency: Annotated[
        str | None,
        option(
            "--currency",
            help="Only in this currency [all that the tier has].",
            callback=currency_code,
        ),
    ] = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """The tier of accounts opened from now on."""
    act(
        admin_database_url,
        data_dir,
        lambda operator: operator.set_default_tier(kind, name, currency=currency),
    )
    terminal.show(
        {"kind": kind, "name": name, "currency": currency},
        as_json=as_json,
        text=f"new {kind} accounts are of tier {name}",
    )


@tier_app.command("list")
def tier_list(
    admin_database_url: AdminDatabaseUrl = None, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Every tier and its limits."""
    rows = act(admin_database_url, data_dir, Operator.tiers)
    limits = ("payment_limit", "daily_limit", "yearly_limit", "balance_limit")
    columns = ("name", "currency", *limits, "choosable", "default_for")
    terminal.show({"tiers": rows}, as_json=as_json, text=terminal.table(rows, columns=columns))


@account_app.command("open")
def account_open(
    participant: Annotated[str, option("--participant", help="Who holds it.")],
    kind: Annotated[
        str,
        option("--kind", help="wallet, merchant, government, position, external, issuance or fee."),
    ],
    currency: Currency,
    floor: Annotated[
        int, option("--floor", help="How far below zero it may go: 0 or negative.", max=0)
    ] = 0,
    tier: Annotated[str | None, option("--tier", help="Its limits [the kind's default].")] = None,
    reference: Annotated[str | None, option("--reference", help="The holder's own name.")] = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Open an account of any kind; print its id."""
    account = act(
        admin_database_url,
        data_dir,
        lambda operator: operator.open_account(
            participant=participant,
            kind=kind,
            currency=currency,
            floor=floor,
            tier=tier,
            reference=reference,
        ),
    )
    terminal.show({"id": account}, as_json=as_json, text=str(account))


@account_app.command("set")
def account_set(
    account: AccountId,
    floor: Annotated[
        int | None, option("--floor", help="How far below zero it may go: 0 or negative.", max=0)
    ] = None,
    tier: Annotated[str | None, option("--tier", help="Its limits.")] = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Change the floor or the tier of an account."""
    if floor is None and tier is None:
        raise typer.BadParameter("nothing to change: give --floor or --tier")
    act(
        admin_database_url,
        data_dir,
        lambda operator: operator.set_account(account, floor=floor, tier=tier),
    )
    terminal.show({"id": account}, as_json=as_json, text=f"{account} is changed")


@account_app.command("freeze")
def account_freeze(
    account: AccountId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Stop an account; only the operator can lift this."""
    _change(account, "freeze", admin_database_url, data_dir, as_json)


@account_app.command("unfreeze")
def account_unfreeze(
    account: AccountId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let a frozen account go on."""
    _change(account, "unfreeze", admin_database_url, data_dir, as_json)


@account_app.command("close")
def account_close(
    account: AccountId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Close an account: no new payments, and closed for good once its money is gone."""
    _change(account, "close", admin_database_url, data_dir, as_json)


@account_app.command("show")
def account_show(
    account: AccountId,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """One account: balance, limits, state."""
    _show_account(
        act(admin_database_url, data_dir, lambda operator: operator.account(account)), as_json
    )


def issue(
    account: AccountId,
    amount: Amount,
    reason: Reason,
    payment_id: PaymentId = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put money into circulation, on an account; print the payment's id."""
    payment = act(
        admin_database_url,
        data_dir,
        lambda operator: operator.issue(account, amount, reason=reason, payment_id=payment_id),
    )
    terminal.show({"id": payment}, as_json=as_json, text=str(payment))


def redeem(
    account: AccountId,
    amount: Amount,
    reason: Reason,
    payment_id: PaymentId = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take money out of circulation, from an account; print the payment's id."""
    payment = act(
        admin_database_url,
        data_dir,
        lambda operator: operator.redeem(account, amount, reason=reason, payment_id=payment_id),
    )
    terminal.show({"id": payment}, as_json=as_json, text=str(payment))


def reverse(
    payment: Annotated[UUID, typer.Argument(metavar="PAYMENT", help="Id of the payment.")],
    reason: Reason,
    payment_id: PaymentId = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Undo a mistaken payment by a new one the other way; print its id."""
    reversal, outcome = act(
        admin_database_url,
        data_dir,
        lambda operator: operator.reverse(payment, reason=reason, payment_id=payment_id),
    )
    terminal.show({"id": reversal, "outcome": outcome}, as_json=as_json, text=str(reversal))
    if outcome == "pending":
        terminal.say(f"it waits for the payer's bank; `switch trace {reversal}` follows it")
    elif outcome != "approved":
        terminal.fail(f"the reversal was declined: {outcome}; nothing has moved")


def _change(
    account: UUID, action: str, admin_database_url: str | None, data_dir: Path | None, as_json: bool
) -> None:
    changed = act(
        admin_database_url, data_dir, lambda operator: operator.change_account(account, action)
    )
    terminal.show(
        {"id": account} | changed, as_json=as_json, text=f"{account} is {changed['status']}"
    )
    if changed["reason"] is not None:
        terminal.fail(f"{account} could not be changed: {changed['reason']}")


def _show_account(account: Account, as_json: bool) -> None:
    document = msgspec.to_builtins(account)
    fields = {**document, **document["limits"]}
    del fields["limits"]
    rows = [{"field": name, "value": value} for name, value in fields.items()]
    terminal.show(document, as_json=as_json, text=terminal.table(rows, columns=("field", "value")))
