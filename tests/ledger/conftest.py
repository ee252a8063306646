"""What the tests of the ledger stand on: connections of every role and a city with its model."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest
import pytest_asyncio

from switch import db, limits
from switch.ledger import Statements, prepare
from tests.databases import JOBS, WORKER, Database
from tests.ledger.banking import Bank, Banking, Side
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City

OpenLane = Callable[[], Awaitable[Statements]]
PATIENCE_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """The superuser: the operator's actions, and looking at tables."""
    connection = await database.connect()
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def jobs(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the rights of the jobs process."""
    connection = await database.connect(JOBS)
    yield connection
    await connection.close()


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """A machine that stands still for some seconds decides no test here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "STATEMENT_WAIT_S", 2 * PATIENCE_S)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def open_lane(database: Database) -> AsyncIterator[OpenLane]:
    """Opens another connection that decides payments, with the rights of a worker."""
    opened: list[asyncpg.Connection] = []

    async def open_one() -> Statements:
        opened.append(
            await db.connect(
                database.url(WORKER), application_name="lane", statement_timeout_s=PATIENCE_S
            )
        )
        return await prepare(opened[-1])

    yield open_one
    for connection in opened:
        await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lane(open_lane: OpenLane) -> Statements:
    """The first connection that decides payments."""
    return await open_lane()


@pytest_asyncio.fixture(loop_scope="session")
async def city(admin: asyncpg.Connection, seed: int, request: pytest.FixtureRequest) -> City:
    """A city of its own for one test, in the database and in the model."""
    return City(admin, f"{seed} {request.node.nodeid}")


@pytest_asyncio.fixture(loop_scope="session")
async def banking(
    city: City, lane: Statements, jobs: asyncpg.Connection, admin: asyncpg.Connection
) -> AsyncIterator[Banking]:
    """A city with banks, whose books are right in the end."""
    await city.own_the_clock()
    await city.set_time(NOON)
    yield Banking(city, lane, jobs, admin)
    await assert_books_are_right(admin)


@pytest_asyncio.fixture(loop_scope="session")
async def bank(banking: Banking) -> Bank:
    """A bank whose position may go down to -1000."""
    return await banking.bank()


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(banking: Banking) -> Side:
    """A merchant and its account."""
    holder = await banking.city.participant("merchant")
    return holder, await banking.city.account(holder, "merchant")
