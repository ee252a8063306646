"""What every test may ask for: a seed, the long flag, a database, and skips that say why."""

import os
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from switch.embedded import open_database
from switch.migrate import create_embedded_roles, migrate
from switch.services import SOURCES
from tests.databases import TEMPLATE, Database, DatabaseServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="more rounds of randomised tests, and those marked long"
    )
    parser.addoption("--seed", type=int, default=None, help="repeat a run with its printed seed")


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--seed")
    config.stash[SEED] = random.SystemRandom().randrange(2**32) if seed is None else seed


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[SEED]} (repeat with --seed {config.stash[SEED]})"


SEED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The one seed of all randomised tests; printed in the header."""
    return pytestconfig.stash[SEED]


@pytest.fixture(scope="session")
def long_run(pytestconfig: pytest.Config) -> bool:
    """Whether the longer version of a randomised test was asked for."""
    return bool(pytestconfig.getoption("--long"))


def missing(what: str) -> None:
    """Skip because a tool is not on this machine; CI installs all of them and allows no skip."""
    if os.environ.get("SWITCH_TEST_NO_SKIP"):
        pytest.fail(f"{what} is missing and SWITCH_TEST_NO_SKIP is set")
    pytest.skip(f"{what} is not on this machine")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[DatabaseServer]:
    """One embedded Postgres for the whole run, with a migrated database to copy from."""
    async with open_database(tmp_path_factory.mktemp("postgres")) as embedded:
        server = DatabaseServer(embedded=embedded)
        template = await server.create(TEMPLATE)
        await migrate(template.url(), SOURCES)
        await create_embedded_roles(template.url())
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(database_server: DatabaseServer) -> AsyncIterator[Database]:
    """A migrated database for the tests of one module."""
    made = await database_server.migrated()
    yield made
    await database_server.drop(made)
