"""The jobs process: what must happen beside the payments, each in a loop of its own.

    fold      adds credits up on their accounts, again at once while there is more than one bite
    closing   finishes accounts that are being closed
    books     proves the books at a long interval, and records what it found
    backlog   measures what is not folded yet
    expiry    posts that holds past their time are expired
    events    numbers what participants are told
    retention forgets what they were told long ago

Every job is safe to run twice. Each holds an advisory lock on its own connection, only so that a
second machine that runs the same command does not do the work again; it waits and takes over when
the first is gone. A job that fails, or loses the database, starts anew after a pause that doubles
up to a bound. Run by the supervisor only, as `switch _jobs NAME`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import uvloop

from switch import db, limits, log, upkeep
from switch.clock import SYSTEM_CLOCK, Clock
from switch.config import Config
from switch.errors import SwitchError
from switch.lifeline import Lifeline, fail, share_metrics_as
from switch.metrics import JobMetrics
from switch.queries import QUERIES

LOCK_CLASS = 0x5357  # the first key of the switch's advisory locks; the second is the job's

Turn = Callable[[asyncpg.Connection], Awaitable[float]]  # one turn; how long to wait for the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One loop: its name, the number of its advisory lock, how long a turn may take, and a turn."""

    name: str
    lock: int
    turn_s_max: float
    turn: Turn


class Jobs:
    """All loops of this process, and whether they reach the database."""

    def __init__(self, config: Config, metrics: JobMetrics, clock: Clock = SYSTEM_CLOCK) -> None:
        self._config = config
        self._metrics = metrics
        self._clock = clock
        self._log = log.logger("jobs")
        self._connected: set[str] = set()
        short = limits.STATEMENT_WAIT_S
        long = limits.BOOKS_CHECK_S_MAX
        self._jobs = (
            Job(name="fold", lock=1, turn_s_max=short, turn=self._fold),
            Job(name="closing", lock=2, turn_s_max=short, turn=self._finish_closing),
            Job(name="books", lock=3, turn_s_max=long, turn=self._check_books),
            Job(name="backlog", lock=4, turn_s_max=short, turn=self._measure_backlog),
            Job(name="events", lock=6, turn_s_max=short, turn=self._sequence_events),
            Job(name="retention", lock=7, turn_s_max=short, turn=self._prune_events),
            Job(name="expiry", lock=5, turn_s_max=short, turn=self._expire_holds),
        )

    def waiting_for(self) -> str | None:
        """None while every loop has its connection."""
        missing = [job.name for job in self._jobs if job.name not in self._connected]
        return f"the database ({', '.join(missing)})" if missing else None

    async def run(self) -> None:
        """Run every loop until cancelled."""
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._keep(job))

    async def _keep(self, job: Job) -> None:
        pause_s = limits.JOB_PAUSE_S_MIN
        while True:
            began_at_s = self._clock.monotonic_s()
            try:
                await self._connect_and_turn(job)
            except (OSError, TimeoutError, SwitchError, asyncpg.PostgresError,
                    asyncpg.InterfaceError, asyncpg.InternalClientError) as error:  # fmt: skip
                self._metrics.failures.labels(job.name).inc()
                self._log.warning("a job failed and starts anew", job=job.name, error=repr(error))
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
                QUERIES["take_job_lock"], LOCK_CLASS, job.lock, timeout=job.turn_s_max
            )
            if taken:
                return
            await asyncio.sleep(limits.JOB_LOCK_LOOK_S)

    async def _fold(self, connection: asyncpg.Connection) -> float:
        folded = await upkeep.fold_credits(connection, limits.FOLD_SIZE_MAX)
        self._metrics.folded_credits.inc(folded.credits)
        return 0.0 if folded.credits >= limits.FOLD_SIZE_MAX else self._config.fold_interval_s

    async def _expire_holds(self, connection: asyncpg.Connection) -> float:
        expired = await upkeep.expire_holds(connection, limits.EXPIRY_SIZE_MAX)
        return 0.0 if expired >= limits.EXPIRY_SIZE_MAX else limits.EXPIRY_INTERVAL_S

    async def _sequence_events(self, connection: asyncpg.Connection) -> float:
        taken = await upkeep.sequence_events(connection, limits.EVENT_RUN_MAX)
        self._metrics.sequenced_events.inc(taken)
        return 0.0 if taken >= limits.EVENT_RUN_MAX else limits.EVENT_INTERVAL_S

    async def _prune_events(self, connection: asyncpg.Connection) -> float:
        days, most = self._config.event_retention_d, limits.EVENT_PRUNE_MAX
        pruned = await upkeep.prune_events(connection, days, most)
        return 0.0 if pruned >= most else limits.EVENT_PRUNE_INTERVAL_S

    async def _finish_closing(self, connection: asyncpg.Connection) -> float:
        await upkeep.finish_closing(connection)
        return limits.CLOSING_INTERVAL_S

    async def _measure_backlog(self, connection: asyncpg.Connection) -> float:
        status = await upkeep.ledger_status(connection)
        self._metrics.unfolded_credits.set(status.unfolded_credits)
        self._metrics.fold_lag_seconds.set(status.fold_lag_s)
        return limits.BACKLOG_INTERVAL_S

    async def _check_books(self, connection: asyncpg.Connection) -> float:
        """Check when the last check, whoever made it, is old enough."""
        status = await upkeep.ledger_status(connection)
        if status.books_checked_at is not None:
            age_s = (self._clock.now() - status.books_checked_at).total_seconds()
            self._show_books(status.books_deviations or 0, status.books_checked_at.timestamp())
            if age_s < self._config.books_check_interval_s:
                return min(limits.BOOKS_LOOK_S, self._config.books_check_interval_s - age_s)
        deviations = await upkeep.check_books(connection)
        await upkeep.record_books_check(connection, len(deviations))
        for deviation in deviations[: limits.DEVIATIONS_LOGGED_MAX]:
            self._log.error("the books are wrong", check=deviation.check, subject=deviation.subject,
                            detail=deviation.detail)  # fmt: skip
        self._show_books(len(deviations), self._clock.now().timestamp())
        return min(limits.BOOKS_LOOK_S, self._config.books_check_interval_s)

    def _show_books(self, deviations: int, checked_at_s: float) -> None:
        self._metrics.books_deviations.set(deviations)
        self._metrics.books_checked_at.set(checked_at_s)


def main(name: str) -> None:
    """Work until the supervisor asks for an end or is gone."""
    lifeline = Lifeline.take()
    share_metrics_as(name)
    log.configure(level=lifeline.config.log_level, process=name)
    try:
        uvloop.run(_work(lifeline))
    except SwitchError as error:
        fail(str(error))


async def _work(lifeline: Lifeline) -> None:
    asked_to_end = lifeline.asked_to_end()
    jobs = Jobs(lifeline.config, JobMetrics())
    running = [asyncio.create_task(jobs.run())]
    running.append(asyncio.create_task(lifeline.report(jobs.waiting_for)))
    ending = asyncio.create_task(asked_to_end.wait())
    await asyncio.wait([*running, ending], return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
