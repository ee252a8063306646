"""The switch that all of this folder fuzzes: one start, looked at from outside."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.databases import DatabaseServer
from tests.fuzz.slow import SlowClients, slow_clients
from tests.fuzz.target import Target, open_target


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(
    database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Target, SlowClients]]:
    """A switch with slow clients at it; at the end its books are right and its log is clean."""
    database = await database_server.migrated()
    async with open_target(database, tmp_path_factory.mktemp("switch")) as target:
        async with slow_clients(target) as slow:
            yield target, slow
        await target.check_serving()
        await target.check_books()
    await database_server.drop(database)


@pytest.fixture(scope="package")
def target(running: tuple[Target, SlowClients]) -> Target:
    """The switch."""
    return running[0]


@pytest.fixture(scope="package")
def slow(running: tuple[Target, SlowClients]) -> SlowClients:
    """The slow clients that are at it meanwhile."""
    return running[1]
