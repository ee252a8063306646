"""What tests of the HTTP path stand on: a town a file, fresh participants a test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.databases import Database
from tests.integration.stage import Stage
from tests.integration.town import Member, Place, Town, open_town
from tests.integration.two_workers import TwoWorkers, open_two_workers


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """One worker for all tests of this file."""
    async with open_town(database, tmp_path_factory.mktemp("keys")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two_workers(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TwoWorkers]:
    """A switch of two worker processes for all tests of this file."""
    async with open_two_workers(database, tmp_path_factory.mktemp("switch")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def wallet(town: Place) -> Member:
    """A wallet provider."""
    return await town.member("wallet")


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(town: Place) -> Member:
    """A merchant."""
    return await town.member("merchant")


@pytest_asyncio.fixture(loop_scope="session")
async def payer(town: Place, wallet: Member) -> str:
    """A wallet with money in it."""
    return await town.account(wallet, "wallet", balance=10_000)


@pytest_asyncio.fixture(loop_scope="session")
async def payee(town: Place, merchant: Member) -> str:
    """A merchant's account."""
    return await town.account(merchant, "merchant")


@pytest_asyncio.fixture(loop_scope="session")
async def stage(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Stage:
    """New participants for one test."""
    return Stage(town=town, wallet=wallet, merchant=merchant, payer=payer, payee=payee)
