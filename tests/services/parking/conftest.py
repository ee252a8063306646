"""A car park and a driver whose wallet pays by a mandate, for each test."""

import pytest_asyncio

from tests.integration.conftest import merchant, payee, payer, town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.parking.garage import Garage

__all__ = ("merchant", "payee", "payer", "town", "two_workers", "wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def garage(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Garage:
    """New participants for one test."""
    return Garage(town=town, wallet=wallet, operator=merchant, payer=payer, payee=payee)
