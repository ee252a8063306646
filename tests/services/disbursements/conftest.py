"""A pension office with money and two people who sign, and some pensioners."""

import pytest_asyncio

from tests.integration.conftest import town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.disbursements.office import Office, open_office

__all__ = ("town", "two_workers", "wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def office(town: Place, wallet: Member) -> Office:
    """A new one for each test."""
    return await open_office(town, wallet)
