"""The commands about what banks were told and did not answer: `switch bank …`."""

from typing import Annotated, Any
from uuid import UUID

import typer

from switch import limits, terminal
from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, DataDir, act
from switch.terminal import AsJson, option

bank_app = typer.Typer(help="Credits and reversals that a bank has not answered.")

BankId = Annotated[str, typer.Argument(metavar="BANK", help="Id of the bank.")]
Payments = Annotated[
    list[UUID] | None,
    typer.Argument(metavar="[PAYMENT]...", help="Ids of payments, refunds or reversals."),
]
Reason = Annotated[str, option("--reason", help="Why; kept with the call.")]
All = Annotated[
    bool, option("--all", help="All that it has not answered; it must have no bank URL any more.")
]


@bank_app.command("calls")
def bank_calls(
    bank: BankId,
    given_up: Annotated[
        bool, option("--given-up", help="Those that were given up instead.")
    ] = False,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """What a bank was told and has not answered, the oldest first."""
    rows = act(
        admin_database_url,
        data_dir,
        lambda operator: operator.bank_calls(bank, given_up=given_up),
    )
    about = ("payment", "kind", "amount", "currency", "account", "account_reference")
    columns = (*about, "asked_at", "attempts", "tried_at", "result")
    terminal.show({"calls": rows}, as_json=as_json, text=terminal.table(rows, columns=columns))
    if len(rows) == limits.BANK_CALLS_LISTED_MAX:
        terminal.say(f"these are the first {len(rows)}; there may be more")


@bank_app.command("give-up")
def bank_give_up(
    bank: BankId,
    reason: Reason,
    payments: Payments = None,
    is_all: All = False,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Wait no longer for a bank: decline what it was to be credited, stop sending reversals."""
    if bool(payments) == is_all:
        raise typer.BadParameter("give the ids of payments, or --all")

    async def give_up(operator: Operator) -> list[dict[str, Any]]:
        if is_all:
            return await operator.give_up_all_calls(bank, reason=reason)
        ended = [await operator.give_up_calls(bank, one, reason=reason) for one in payments or ()]
        return [call for calls in ended for call in calls]

    calls = act(admin_database_url, data_dir, give_up)
    columns = ("payment", "kind", "decision", "outcome")
    terminal.show({"calls": calls}, as_json=as_json, text=terminal.table(calls, columns=columns))
    answered = sum(call["decision"] != "given_up" for call in calls)
    if answered:
        terminal.fail(f"{bank} answered {answered} of them before: their decision stands")
