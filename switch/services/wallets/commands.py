"""`switch wallets`: what the operator does about wallets."""

from pathlib import Path
from typing import Annotated

import typer

from switch import terminal
from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, Currency, DataDir, KeyDir, act, key_folder
from switch.errors import LedgerUnavailable, SwitchError
from switch.services.wallets import key_folder as secrets
from switch.services.wallets import resealing, rules
from switch.services.wallets.seal import SealedElsewhere, SecretBox
from switch.terminal import AsJson, option, waiting

wallets_app = typer.Typer(no_args_is_help=True, help="The wallets of providers' customers.")


@wallets_app.command()
def classes(
    currency: Currency,
    yuan: Annotated[
        int,
        option("--yuan", help="Minor units of the currency in place of one yuan.", min=1),
    ] = 100,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Offer all four classes, with a pilot's limits; a class that is offered stays as it is.

    Change one afterwards by `switch tier set wallet-class-N`.
    """

    async def work(operator: Operator) -> list[str]:
        tiers = await operator.tiers()
        there = {one["name"] for one in tiers if one["currency"] == currency}
        missing = [number for number in rules.CLASSES if rules.tier_of(number) not in there]
        for number in missing:
            balance, payment, day, year = (limit and limit * yuan for limit in rules.PILOT[number])
            await operator.set_tier(
                rules.tier_of(number), currency=currency, balance_limit=balance,
                payment_limit=payment, daily_limit=day, yearly_limit=year,
            )  # fmt: skip
        return [rules.tier_of(number) for number in missing]

    made = act(admin_database_url, data_dir, work)
    names = ", ".join(made) or "nothing: all four were there"
    terminal.show(
        {"currency": currency, "made": made}, as_json=as_json, text=f"made in {currency}: {names}"
    )


@wallets_app.command()
def reseal(
    key_dir: KeyDir = None,
    admin_database_url: AdminDatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Seal personal data anew with the newest key, so that the older ones can be taken away."""
    box = _secrets(key_dir, data_dir)

    async def work(operator: Operator) -> int:
        try:
            return await resealing.reseal(operator.ask, box)
        except SealedElsewhere as error:
            raise SwitchError(
                f"{error}: put the key back that sealed it, and do this again; what was sealed"
                " anew before stays so"
            ) from error

    with waiting("sealing anew"):
        count = act(admin_database_url, data_dir, work)
    typer.echo(f"{count} wallets sealed anew with seal-{box.current}.key")


def _secrets(key_dir: Path | None, data_dir: Path | None) -> SecretBox:
    """The keys of wallets; none are made here."""
    folder = key_folder(key_dir, data_dir)
    try:
        if (folder / secrets.FOLDER / secrets.INDEX).is_file():
            return secrets.load(folder)
    except (OSError, LedgerUnavailable) as error:
        raise SwitchError(f"{error}: look at {folder / secrets.FOLDER}") from error
    raise SwitchError(
        f"{folder / secrets.FOLDER} holds no keys of wallets: give --key-dir (or --data-dir)"
    )
