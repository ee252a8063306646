"""Loops beside the payments, each with a connection and a lock of its own, kept running.

Each loop holds an advisory lock on its own connection, only so that a second machine that runs the
same command does not do the work again; it waits and takes over when the first is gone. A loop that
fails, or loses the database, starts anew after a pause that doubles up to a bound. What a turn of a
loop does is `jobs`'s, `delivery`'s and `banks`'s business.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
from prometheus_client import Counter

from switch import db, limits, log
from switch.clock import Clock
from switch.config import Config
from switch.errors import LedgerUnavailable, SwitchError
from switch.lifeline import Lifeline
from switch.queries import QUERIES

LOCK_CLASS = 0x5357  # the first key of the switch's advisory locks; the second is the job's

SERVICE_LOCK_MIN = 1 << 30  # the processes' own numbers are below, those of services from here on

Turn = Callable[[asyncpg.Connection], Awaitable[float]]  # one turn; how long to wait for the next
Begin = Callable[[asyncpg.Connection], Awaitable[None]]  # what comes before the first of them

# What a turn may end with that is no fault of the program.
BROKEN = (
    OSError,
    TimeoutError,
    SwitchError,
    LedgerUnavailable,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_log = log.logger("jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One loop: its name, the number of its advisory lock, how long a turn may take, and a turn.

    `begin` is done whenever its lock was taken. A job of a service gives no number, it has one by
    its name.
    """

    name: str
    lock: int | None = None
    turn_s_max: float
    turn: Turn
    begin: Begin | None = None

    @property
    def lock_number(self) -> int:
        """The second key of its advisory lock, a positive `integer` of Postgres."""
        if self.lock is not None:
            assert 0 < self.lock < SERVICE_LOCK_MIN, "numbers from there on are made from names"
            return self.lock
        return SERVICE_LOCK_MIN | zlib.crc32(self.name.encode()) % SERVICE_LOCK_MIN


class Loops:
    """All loops of a process, and whether they reach the database."""

    jobs: tuple[Job, ...] = ()

    def __init__(self, config: Config, failures: Counter, clock: Clock) -> None:
        self._config = config
        self._failures = failures
        self._clock = clock
        self._connected: set[str] = set()

    def waiting_for(self) -> str | None:
        """None while every loop has its connection."""
        missing = [job.name for job in self.jobs if job.name not in self._connected]
        return f"the database ({', '.join(missing)})" if missing else None

    async def run(self) -> None:
        """Run every loop until cancelled."""
        for job in self.jobs:
            self._failures.labels(job.name)  # shown as 0: an alarm sees the first failure, too
        async with asyncio.TaskGroup() as group:
            for job in self.jobs:
                group.create_task(self._keep(job))

    async def _keep(self, job: Job) -> None:
        pause_s = limits.JOB_PAUSE_S_MIN
        while True:
            began_at_s = self._clock.monotonic_s()
            try:
                await self._connect_and_turn(job)
            except BROKEN as error:
                self._failures.labels(job.name).inc()
                _log.warning("a job failed and starts anew", job=job.name, error=repr(error))
            if self._clock.monotonic_s() - began_at_s > limits.JOB_PAUSE_S_MAX:
                pause_s = limits.JOB_PAUSE_S_MIN
            await asyncio.sleep(pause_s)
            pause_s = min(limits.JOB_PAUSE_S_MAX, pause_s * 2)

    async def _connect_and_turn(self, job: Job) -> None:
        connection = await db.connect(
            self._config.database_url,
            application_name=f"switch jobs {job.name}",
            statement_timeout_s=job.turn_s_max,
        )
        self._connected.add(job.name)
        try:
            await self._take_lock(job, connection)
            if job.begin is not None:
                async with asyncio.timeout(job.turn_s_max):
                    await job.begin(connection)
            while True:
                async with asyncio.timeout(job.turn_s_max):
                    wait_s = await job.turn(connection)
                await asyncio.sleep(wait_s)
        finally:
            self._connected.discard(job.name)
            with suppress(Exception):
                connection.terminate()

    async def _take_lock(self, job: Job, connection: asyncpg.Connection) -> None:
        while True:
            taken = await connection.fetchval(
                QUERIES["take_job_lock"], LOCK_CLASS, job.lock_number, timeout=job.turn_s_max
            )
            if taken:
                return
            await asyncio.sleep(limits.JOB_LOCK_LOOK_S)


async def work(lifeline: Lifeline, loops: Loops) -> None:
    """Run a process's loops until the supervisor asks for an end."""
    asked_to_end = lifeline.asked_to_end()
    running = [asyncio.create_task(loops.run())]
    running.append(asyncio.create_task(lifeline.report(loops.waiting_for)))
    ending = asyncio.create_task(asked_to_end.wait())
    await asyncio.wait([*running, ending], return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
