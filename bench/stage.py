"""Where questions are asked: one Postgres, one founded city, and what must hold after each turn.

What one measurement leaves behind is not charged to the next: before each turn every credit is
folded, autovacuum is left to finish, and a checkpoint clears the debts of the last one. A page's
first change after a checkpoint is logged whole, which a switch pays for every 15 minutes and not
all the time, so each question then warms up for the same seconds before its clock starts. What is
counted by a client is compared with the ledger: `since` a moment, how many payments were decided
and how many of them approved.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from rich.console import Console

from bench import city
from switch import admin, ledger, migrate
from switch.admin import Operator
from switch.clock import SYSTEM_CLOCK
from switch.config import HOST_DEFAULT
from switch.embedded import Embedded, open_database
from switch.errors import SwitchError
from switch.queries import QUERIES
from switch.services import SOURCES
from switch.serving import ServeOptions, Serving, serving

WORKER_COUNT = 2
QUIET_WAIT_S_MAX = 120.0  # for the fold and autovacuum to come to rest
QUIET_LOOK_S = 0.1
ATTEMPTS_MAX = 4

AUTOVACUUM_RUNS = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' LIMIT 1"
DECIDED_SINCE = """
SELECT count(*) AS decided, count(*) FILTER (WHERE outcome = 0) AS approved
  FROM ledger.payment WHERE shard = 0 AND id >= $1
"""


class BenchError(Exception):
    """A measurement that may not be believed: one line that says why."""


class RanOut(BenchError):  # noqa: N818  what happened, and it is measured again
    """What was made beforehand did not last to the end: more of it is needed."""


Result = TypeVar("Result")


async def with_enough(measure: Callable[[float], Awaitable[Result]], rate_guess: float) -> Result:
    """Measure, and if what was made for this rate ran out, again with twice as much, boundedly."""
    for attempt in range(ATTEMPTS_MAX):
        try:
            return await measure(rate_guess * 2**attempt)
        except RanOut:
            continue
    raise BenchError("the rate rises faster than it can be guessed: is the machine quiet?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    rounds: int
    seconds: float  # of one measurement
    warm_up_s: float
    wallets: int
    merchants: int
    tpcb_scale: int
    connections: int  # of wrk
    memory_payments: int
    pairs: int  # of phases that are compared
    is_thorough: bool = True  # ask at every point, not only at the ends
    is_long: bool = False  # take the time that many payments take


FULL = Size(
    rounds=5,
    seconds=20.0,
    warm_up_s=10.0,
    wallets=100_000,
    merchants=1_000,
    tpcb_scale=20,
    connections=128,
    memory_payments=50_000,
    pairs=9,
)
QUICK = Size(
    rounds=1,
    seconds=3.0,
    warm_up_s=1.0,
    wallets=2_000,
    merchants=50,
    tpcb_scale=1,
    connections=64,
    memory_payments=4_000,
    pairs=1,
    is_thorough=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What every question is handed."""

    folder: Path
    size: Size
    database: Embedded
    operator: Operator
    city: city.City

    @asynccontextmanager
    async def switch(
        self, callback_allow: tuple[str, ...] = (), worker_count: int = WORKER_COUNT
    ) -> AsyncIterator[Serving]:
        """A whole switch with the settings of `switch serve --workers 2`, jobs included."""
        options = ServeOptions(
            host=HOST_DEFAULT,
            port=0,
            admin_host=HOST_DEFAULT,
            admin_port=0,
            worker_count=worker_count,
            authorities=(),
            data_dir=self.database.data_dir,
            key_dir=self.database.data_dir / "keys",
            database_url=None,
            jobs_database_url=None,
            admin_database_url=None,
            tls_cert=None,
            tls_key=None,
            callback_allow=callback_allow,
        )
        async with serving(options, messages=self.folder / "processes.log") as running:
            yield running

    def mark(self) -> UUID:
        """The smallest id that a payment decided from now on can have."""
        return UUID(int=(ledger.new_id(SYSTEM_CLOCK.now_us()).int >> 80) << 80)

    async def decided_since(self, mark: UUID) -> int:
        """Payments the ledger holds since then; all of them must be approved."""
        row = await self.operator.connection.fetchrow(DECIDED_SINCE, mark)
        if row["decided"] != row["approved"]:
            raise BenchError(f"{row['decided'] - row['approved']} payments were declined")
        return int(row["decided"])

    async def folded(self) -> float:
        """Wait until every credit is on its account; how long that took, in seconds."""
        began_s = SYSTEM_CLOCK.monotonic_s()
        while (await self.waiting_credits()) > 0:
            waited_s = SYSTEM_CLOCK.monotonic_s() - began_s
            if waited_s > QUIET_WAIT_S_MAX:
                raise BenchError(f"the fold is still behind after {QUIET_WAIT_S_MAX:g} s")
            await asyncio.sleep(QUIET_LOOK_S)
        return SYSTEM_CLOCK.monotonic_s() - began_s

    async def numbered(self) -> None:
        """Wait until every event has its number, which a running switch gives it."""
        ends_s = SYSTEM_CLOCK.monotonic_s() + QUIET_WAIT_S_MAX
        while await self.operator.connection.fetchval(QUERIES["read_unnumbered"]) is not None:
            if SYSTEM_CLOCK.monotonic_s() > ends_s:
                raise BenchError(f"events wait for their numbers after {QUIET_WAIT_S_MAX:g} s")
            await asyncio.sleep(QUIET_LOOK_S)

    async def waiting_credits(self) -> int:
        """Credits that no fold has added up yet."""
        row = await self.operator.connection.fetchrow(QUERIES["read_waiting"])
        return int(row["credits"])

    async def settle(self) -> None:
        """Come to rest, with nothing left to write."""
        await self.rest()
        await self.operator.connection.execute("CHECKPOINT")

    async def rest(self) -> None:
        """Come to rest: nothing to fold, no vacuum at work."""
        while await self.operator.fold_credits():
            pass
        ends_s = SYSTEM_CLOCK.monotonic_s() + QUIET_WAIT_S_MAX
        while await self.operator.connection.fetchval(AUTOVACUUM_RUNS) is not None:
            if SYSTEM_CLOCK.monotonic_s() > ends_s:
                break  # a vacuum that goes on belongs to the next measurement, whichever it is
            await asyncio.sleep(QUIET_LOOK_S)

    async def check_books(self) -> None:
        """Fold what is left; the run ends here if the books are wrong."""
        while await self.operator.fold_credits():
            pass
        deviations = await self.operator.check_books()
        if deviations:
            raise BenchError(f"the books are wrong ({len(deviations)} deviations): {deviations[0]}")


@asynccontextmanager
async def opened(folder: Path, size: Size, console: Console) -> AsyncIterator[Stage]:
    """A stage in a new folder of its own."""
    data_dir = folder / "switch"
    async with AsyncExitStack() as stack:
        with console.status("making a database"):
            database = await stack.enter_async_context(open_database(data_dir))
            await migrate.migrate(database.url(), SOURCES)
            await migrate.create_embedded_roles(database.url())
            operator = await stack.enter_async_context(admin.connected(database.url()))
            await operator.make_first_switch_key(data_dir / "keys")
        with console.status("founding the city") as status:
            try:
                founded = await city.found(
                    operator,
                    wallet_count=size.wallets,
                    merchant_count=size.merchants,
                    done=lambda what: status.update(f"founding the city: {what}"),
                )
            except SwitchError as error:
                raise BenchError(f"the city could not be founded: {error}") from error
            await operator.connection.execute("VACUUM (ANALYZE)")  # as autovacuum soon would
        stage = Stage(folder=folder, size=size, database=database, operator=operator, city=founded)
        await stage.check_books()
        yield stage
