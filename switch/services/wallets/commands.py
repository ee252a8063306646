"""`switch wallets`: what the operator does about wallets."""

from pathlib import Path

import typer

from switch.admin import Operator
from switch.cli_operator import AdminDatabaseUrl, DataDir, KeyDir, act, key_folder
from switch.errors import LedgerUnavailable, SwitchError
from switch.services.wallets import key_folder as secrets
from switch.services.wallets import resealing
from switch.services.wallets.seal import SealedElsewhere, SecretBox
from switch.terminal import waiting

wallets_app = typer.Typer(no_args_is_help=True, help="The wallets of providers' customers.")


@wallets_app.callback()
def wallets() -> None:
    """With one command there would be no family otherwise."""


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
