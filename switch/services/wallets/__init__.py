"""Wallets: registered by their providers, in classes, for people who are known or are not.

Read `rules` for the classes, `seal` for how personal data stands in a table, `key_folder` for where
the secrets are, `message` for what is sent, `endpoints` for what is done, `phone_book` for
what other services ask, `resealing` and
`commands` for what the operator does.
"""

from typing import TYPE_CHECKING

from switch.service import Service
from switch.services.wallets.endpoints import endpoints
from switch.services.wallets.phone_book import WalletPhoneBook

if TYPE_CHECKING:
    import typer


def _commands() -> "typer.Typer":
    from switch.services.wallets.commands import wallets_app

    return wallets_app


WALLETS = Service(
    name="wallets", endpoints=endpoints, phone_book=WalletPhoneBook, commands=_commands
)
