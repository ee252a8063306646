"""What tests of the HTTP path stand on: a town a file, fresh participants a test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.databases import Database
from tests.integration.town import Member, Town, open_town


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One worker for all tests of this file."""
    async with open_town(database, tmp_path_factory.mktemp("keys")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def wallet(town: Town) -> Member:
    """A wallet provider."""
    return await town.member("wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(town: Town) -> Member:
    """A merchant."""
    return await town.member("merchant")


@pytest_asyncio.fixture(loop_scope="session")
async def payer(town: Town, wallet: Member) -> str:
    """A wallet with money in it."""
    return await town.account(wallet, "wallet", balance=10_000)


@pytest_asyncio.fixture(loop_scope="session")
async def payee(town: Town, merchant: Member) -> str:
    """A merchant's account."""
    return await town.account(merchant, "merchant")
