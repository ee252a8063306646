"""The oldest Postgres that is supported: Debian's 15 makes the same ledger and decides the same."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from switch import db
from switch.embedded import open_database
from switch.ledger import prepare
from switch.migrate import create_embedded_roles, migrate
from switch.services import SOURCES
from tests.conftest import missing
from tests.databases import JOBS, WORKER, Database, DatabaseServer
from tests.ledger.test_property import Run, decide_alone

BINARIES = Path("/usr/lib/postgresql/15/bin")
MESSAGES = 1_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def old_database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """A migrated database on a server of that version."""
    if not shutil.which("postgres", path=BINARIES):
        missing("Debian's Postgres 15")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWITCH_POSTGRES_BIN", str(BINARIES))
        async with open_database(tmp_path_factory.mktemp("postgres-15")) as embedded:
            database = await DatabaseServer(embedded=embedded).create("old")
            await migrate(database.url(), SOURCES)
            await create_embedded_roles(database.url())
            yield database


async def test_the_server_is_that_old(old_database: Database) -> None:
    """The tests of this module run on the version they speak of."""
    connection = await old_database.connect()
    assert connection.get_server_version().major == 15
    await connection.close()


async def test_it_decides_as_the_model_does(old_database: Database, seed: int) -> None:
    """Random batches get the model's answers, and the books are right afterwards."""
    admin, jobs = await old_database.connect(), await old_database.connect(JOBS)
    lane = await db.connect(old_database.url(WORKER), application_name="lane")
    run = Run(admin, seed, "on Postgres 15")
    at = await decide_alone(run, jobs, await prepare(lane), MESSAGES)
    await run.check(at)
    for connection in (admin, jobs, lane):
        await connection.close()
