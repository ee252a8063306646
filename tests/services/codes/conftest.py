"""What the tests of codes over HTTP stand on: a town, participants, accounts, a till."""

import pytest_asyncio

from tests.integration.conftest import merchant, payee, payer, town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.codes.till import Till

__all__ = ("merchant", "payee", "payer", "town", "two_workers", "wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def till(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Till:
    """New participants for one test."""
    return Till(town=town, wallet=wallet, merchant=merchant, payer=payer, payee=payee)
