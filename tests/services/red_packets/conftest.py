"""An office that gives, and a wallet that enters, for each test."""

import pytest_asyncio

from tests.integration.conftest import merchant, payee, payer, town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.funding import funded
from tests.services.red_packets.giving import Giving

__all__ = ("merchant", "payee", "payer", "town", "two_workers", "wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def giving(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Giving:
    """New participants for one test; the office has 1,000.00."""
    return Giving(funding=await funded(town, wallet, merchant, payer, payee))
