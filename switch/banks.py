"""The process that calls the banks that hold the money themselves.

    calls      begins what was accepted for banks, and makes the calls that are due
    time_outs  declines what no bank has answered in time
    waiting    counts what waits for each bank

The ledger is the queue: what is to be asked, what was asked and what became of it are its rows.
This process makes the calls, all of them, so what a bank does to its calls is known in one place;
killed and started again it takes up every call that was not settled, under the same key. Safe to
run twice: a bank is then asked twice, which it must expect anyway, and the first answer counts. Run
by the supervisor only, as `switch _banks NAME`.
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import uvloop

from switch import bank_calls, db, limits, log
from switch.bank import Bank, Desk
from switch.bank_calls import PATHS, Call, Called, Spared
from switch.bank_keys import BankKeys
from switch.bank_settling import Settling
from switch.callback import Callbacks
from switch.clock import SYSTEM_CLOCK, Clock
from switch.config import Config
from switch.errors import SwitchError
from switch.lifeline import Lifeline, fail, share_metrics_as
from switch.loops import Job, Loops, work
from switch.metrics import BankMetrics
from switch.switch_keys import CurrentKey

# Nothing was begun, and the same will do in a moment: more credits wait than one call adds up,
# which the jobs do, or another transaction stood in the way.
_IN_A_MOMENT = frozenset({"SW003", "40001", "40P01", "55P03"})

_log = log.logger("banks")


class Banks(Loops):
    """All banks, by participant, and the loops that give them their calls."""

    def __init__(self, config: Config, metrics: BankMetrics, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(config, metrics.failures, clock)
        self._metrics = metrics
        self._key = CurrentKey(config.key_dir, clock)
        self._keys = BankKeys(clock)
        self._banks: dict[int, Bank] = {}
        self._desk: Desk | None = None
        self._started_at_s = float("-inf")  # the last time that a call was
        self._shown: set[str] = set()
        short = limits.STATEMENT_WAIT_S
        self.jobs = (
            Job(name="calls", lock=10, turn_s_max=short, turn=self._start, begin=self._resume),
            Job(name="time_outs", lock=11, turn_s_max=short, turn=self._time_out),
            Job(name="waiting", lock=12, turn_s_max=short, turn=self._measure),
        )

    async def run(self) -> None:
        """Call banks until cancelled."""
        pool = db.pool(
            self._config.database_url,
            application_name="switch banks",
            size=limits.BANK_CONNECTIONS_MAX,
        )
        callbacks = Callbacks(allowed=self._config.callback_allow, clock=self._clock)

        async def settle(called: Sequence[Called]) -> int:
            async with pool.acquire() as connection:
                return await bank_calls.settle_calls(connection, called)

        settling = Settling(settle, failures=self._metrics.failures, clock=self._clock)
        async with pool, callbacks:
            self._desk = Desk(
                callbacks=callbacks,
                signing_key=self._key.key,
                keys_of=self._keys.of,
                settling=settling,
                metrics=self._metrics,
                clock=self._clock,
            )
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(settling.run())
                    group.create_task(super().run())
            finally:
                await self._break_off()

    async def _resume(self, connection: asyncpg.Connection) -> None:
        """Take up what nobody has settled, from here on alone."""
        await self._break_off()
        resumed = await bank_calls.resume_calls(connection)
        if resumed:
            _log.info("calls are made again", count=resumed)

    async def _start(self, connection: asyncpg.Connection) -> float:
        await self._key.follow(connection)
        await self._keys.follow(connection)
        under_way = sum(bank.under_way_count for bank in self._banks.values())
        room = max(0, limits.BANK_CALLS_IN_FLIGHT_MAX - under_way)
        try:
            calls = await bank_calls.start_calls(
                connection,
                limit=min(limits.BANK_START_MAX, room),
                deadline_s=self._config.bank_deadline_s,
                calls_max=limits.BANK_CALLS_MAX,
                spared=self._spared(),
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate not in _IN_A_MOMENT:
                raise
            self._metrics.failures.labels("calls").inc()
            return limits.BANK_IDLE_INTERVAL_S
        for call in calls:
            self._bank(call).start(call)
            self._started_at_s = self._clock.monotonic_s()
        return self._interval_s()

    async def _time_out(self, connection: asyncpg.Connection) -> float:
        try:
            late = await bank_calls.time_out_calls(connection, limits.BANK_TIME_OUTS_MAX)
        except asyncpg.PostgresError as error:
            if error.sqlstate not in _IN_A_MOMENT:
                raise
            self._metrics.failures.labels("time_outs").inc()
            late = 0
        self._metrics.timed_out.inc(late)
        return 0.0 if late >= limits.BANK_TIME_OUTS_MAX else limits.BANK_TIME_OUT_INTERVAL_S

    async def _measure(self, connection: asyncpg.Connection) -> float:
        backlog = {one.participant: one for one in await bank_calls.bank_backlog(connection)}
        self._shown |= backlog.keys()
        for participant in self._shown:
            one = backlog.get(participant)
            for path in PATHS.values():
                waiting = 0 if one is None else one.waiting[path]
                self._metrics.waiting_calls.labels(participant, path).set(waiting)
            for path, count in () if one is None else one.given_up.items():
                self._metrics.given_up_calls.labels(participant, path).set(count)
            age_s = 0.0 if one is None else one.oldest_age_s
            self._metrics.waiting_seconds.labels(participant).set(age_s)
        for bank in self._banks.values():
            self._metrics.is_down.labels(bank.participant).set(bank.is_down)
        return limits.BANK_BACKLOG_INTERVAL_S

    def _spared(self) -> Spared:
        """Who gets less than usual at this moment."""
        down = {no: bank for no, bank in self._banks.items() if bank.is_down}
        return Spared(
            shut=[no for no, bank in down.items() if bank.is_shut],
            probed=[no for no, bank in down.items() if not bank.is_shut],
            room={no: bank.room for no, bank in self._banks.items()},
        )

    def _bank(self, call: Call) -> Bank:
        bank = self._banks.get(call.participant_no)
        if bank is None:
            assert self._desk is not None, "the loops run inside `run`"
            bank = self._banks[call.participant_no] = Bank(self._desk, call.participant)
        return bank

    def _interval_s(self) -> float:
        """Until the next look: short while banks are being asked, as one call leads to another."""
        assert self._desk is not None, "the loops run inside `run`"
        last_s = max(self._started_at_s, self._desk.settling.settled_at_s)
        is_quiet = self._clock.monotonic_s() - last_s > limits.BANK_QUIET_S
        return limits.BANK_IDLE_INTERVAL_S if is_quiet else limits.BANK_START_INTERVAL_S

    async def _break_off(self) -> None:
        await asyncio.gather(*(bank.end() for bank in self._banks.values()))


def main(name: str) -> None:
    """Call banks until the supervisor asks for an end or is gone."""
    lifeline = Lifeline.take()
    share_metrics_as(name)
    log.configure(level=lifeline.config.log_level, process=name)
    try:
        uvloop.run(work(lifeline, Banks(lifeline.config, BankMetrics())))
    except SwitchError as error:
        fail(str(error))
