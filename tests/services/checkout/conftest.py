"""A shop that asks and two wallets that could pay, for each test."""

import pytest_asyncio

from tests.integration.conftest import merchant, payee, payer, town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.checkout.scene import Scene

__all__ = ("merchant", "payee", "payer", "town", "two_workers", "wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def scene(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Scene:
    """New participants for one test."""
    return Scene(town=town, wallet=wallet, merchant=merchant, payer=payer, payee=payee)
