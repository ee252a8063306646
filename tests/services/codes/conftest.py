"""What the tests of codes over HTTP stand on: a town, participants, accounts."""

from tests.integration.conftest import merchant, payee, payer, town, wallet

__all__ = ("merchant", "payee", "payer", "town", "wallet")
