"""A funder, a wallet and a shop for each test."""

import pytest_asyncio

from tests.integration.conftest import merchant, payee, payer, town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.funding import Funding, funded

__all__ = ("merchant", "payee", "payer", "town", "two_workers", "wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def funding(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Funding:
    """New participants for one test; the shop is a restaurant in the east."""
    return await funded(town, wallet, merchant, payer, payee)
