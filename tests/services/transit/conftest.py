"""A metro and a rider whose wallet pays by a mandate, for each test."""

import pytest_asyncio

from tests.integration.conftest import merchant, payee, payer, town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.transit.metro import Metro

__all__ = ("merchant", "payee", "payer", "town", "two_workers", "wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def metro(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Metro:
    """New participants for one test, and a network with fares."""
    made = Metro(town=town, wallet=wallet, operator=merchant, payer=payer, payee=payee)
    await made.open()
    return made
