"""The jobs process: what must happen beside the payments, each in a loop of its own.

    fold      adds credits up on their accounts, in rounds of small bites
    closing   finishes accounts that are being closed
    books     proves the books at a long interval, and records what it found
    backlog   measures what is not folded or numbered yet, and how large the database is
    expiry    posts that holds past their time are expired
    sweep     gives back what is left in purses and campaigns that have ended
    events    numbers what participants are told
    retention forgets what they were told, and banks were asked, long ago

and what the city's services have to do, in loops that bear the service's name.

Every job is safe to run twice; `loops` keeps it running. Run by the supervisor only, as
`switch _jobs NAME`.
"""

from collections.abc import Sequence

import asyncpg
import uvloop

from switch import limits, log, upkeep
from switch.clock import SYSTEM_CLOCK, Clock
from switch.config import Config
from switch.errors import SwitchError
from switch.lifeline import Lifeline, fail, share_metrics_as
from switch.loops import Job, Loops, work
from switch.metrics import JobMetrics
from switch.service import JobCore, Service
from switch.services import SERVICES

_log = log.logger("jobs")


class Jobs(Loops):
    """All loops of this process."""

    def __init__(
        self,
        config: Config,
        metrics: JobMetrics,
        clock: Clock = SYSTEM_CLOCK,
        services: Sequence[Service] = (),
    ) -> None:
        super().__init__(config, metrics.failures, clock)
        self._metrics = metrics
        self._folded = 0  # credits, in this round
        self._checks = [service.check for service in services if service.check is not None]
        short = limits.STATEMENT_WAIT_S
        long = limits.BOOKS_CHECK_S_MAX
        self.jobs = (
            Job(name="fold", lock=1, turn_s_max=short, turn=self._fold),
            Job(name="closing", lock=2, turn_s_max=short, turn=self._finish_closing),
            Job(name="books", lock=3, turn_s_max=long, turn=self._check_books),
            Job(name="backlog", lock=4, turn_s_max=short, turn=self._measure_backlog),
            Job(name="events", lock=6, turn_s_max=short, turn=self._sequence_events),
            Job(name="retention", lock=7, turn_s_max=short, turn=self._prune_events),
            Job(name="expiry", lock=5, turn_s_max=short, turn=self._expire_holds),
            Job(name="sweep", lock=13, turn_s_max=short, turn=self._sweep_funds),
            *service_jobs(services, JobCore(clock=clock, registry=metrics.registry)),
        )
        numbers = {job.lock_number for job in self.jobs}
        assert len(numbers) == len(self.jobs), "two jobs with one lock would wait for each other"

    async def _fold(self, connection: asyncpg.Connection) -> float:
        folded = await upkeep.fold_credits(connection, limits.FOLD_SIZE_MAX)
        self._metrics.folded_credits.inc(folded.credits)
        self._folded += folded.credits
        if folded.credits >= limits.FOLD_SIZE_MAX:
            return limits.FOLD_PAUSE_S
        round_s = min(self._folded / limits.FOLD_CREDITS_PER_S, limits.FOLD_INTERVAL_S_MAX)
        self._folded = 0
        return max(round_s, self._config.fold_interval_s)

    async def _expire_holds(self, connection: asyncpg.Connection) -> float:
        expired = await upkeep.expire_holds(connection, limits.EXPIRY_SIZE_MAX)
        return 0.0 if expired >= limits.EXPIRY_SIZE_MAX else limits.EXPIRY_INTERVAL_S

    async def _sweep_funds(self, connection: asyncpg.Connection) -> float:
        most = limits.SWEEP_SIZE_MAX
        swept = await upkeep.sweep_funds(connection, self._clock.now_us(), most)
        return 0.0 if swept >= most else limits.SWEEP_INTERVAL_S

    async def _sequence_events(self, connection: asyncpg.Connection) -> float:
        taken = await upkeep.sequence_events(connection, limits.EVENT_RUN_MAX)
        self._metrics.sequenced_events.inc(taken)
        return 0.0 if taken >= limits.EVENT_RUN_MAX else limits.EVENT_INTERVAL_S

    async def _prune_events(self, connection: asyncpg.Connection) -> float:
        days, most = self._config.event_retention_d, limits.EVENT_PRUNE_MAX
        pruned = max(
            await upkeep.prune_deliveries(connection, days, most),
            await upkeep.prune_bank_calls(connection, days, most),
            await upkeep.prune_events(connection, days, most),
        )
        return 0.0 if pruned >= most else limits.EVENT_PRUNE_INTERVAL_S

    async def _finish_closing(self, connection: asyncpg.Connection) -> float:
        await upkeep.finish_closing(connection)
        return limits.CLOSING_INTERVAL_S

    async def _measure_backlog(self, connection: asyncpg.Connection) -> float:
        status = await upkeep.ledger_status(connection)
        self._metrics.unfolded_credits.set(status.unfolded_credits)
        self._metrics.fold_lag_seconds.set(status.fold_lag_s)
        self._metrics.event_lag_seconds.set(await upkeep.event_lag_s(connection))
        state = await upkeep.database_state(connection)
        self._metrics.database_bytes.set(state.stored_bytes)
        self._metrics.database_connections.set(state.connections)
        self._metrics.wal_bytes.set(state.wal_bytes)
        self._metrics.read_bytes.set(state.read_bytes)
        self._metrics.commits.set(state.commits)
        self._metrics.deadlocks.set(state.deadlocks)
        return limits.BACKLOG_INTERVAL_S

    async def _check_books(self, connection: asyncpg.Connection) -> float:
        """Check when the last check, whoever made it, is old enough."""
        status = await upkeep.ledger_status(connection)
        if status.books_checked_at is not None:
            age_s = (self._clock.now() - status.books_checked_at).total_seconds()
            self._show_books(status.books_deviations or 0, status.books_checked_at.timestamp())
            if age_s < self._config.books_check_interval_s:
                return min(limits.BOOKS_LOOK_S, self._config.books_check_interval_s - age_s)
        deviations = await upkeep.check_books(connection, self._checks)
        await upkeep.record_books_check(connection, len(deviations))
        for deviation in deviations[: limits.DEVIATIONS_LOGGED_MAX]:
            _log.error("the books are wrong", check=deviation.check, subject=deviation.subject,
                            detail=deviation.detail)  # fmt: skip
        self._show_books(len(deviations), self._clock.now().timestamp())
        return min(limits.BOOKS_LOOK_S, self._config.books_check_interval_s)

    def _show_books(self, deviations: int, checked_at_s: float) -> None:
        self._metrics.books_deviations.set(deviations)
        self._metrics.books_checked_at.set(checked_at_s)


def service_jobs(services: Sequence[Service], core: JobCore) -> list[Job]:
    """What the services have to do, in their order."""
    made: list[Job] = []
    for service in services:
        for job in service.jobs(core) if service.jobs is not None else ():
            assert job.name.startswith(f"{service.name}_"), f"{job.name}: begin with the service"
            assert job.lock is None, f"{job.name}: the number of its lock comes from its name"
            made.append(job)
    return made


def main(name: str) -> None:
    """Work until the supervisor asks for an end or is gone."""
    lifeline = Lifeline.take()
    share_metrics_as(name)
    log.configure(level=lifeline.config.log_level, process=name)
    try:
        uvloop.run(work(lifeline, Jobs(lifeline.config, JobMetrics(), services=SERVICES)))
    except SwitchError as error:
        fail(str(error))
