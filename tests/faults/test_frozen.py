"""Something stops answering without dying: others go on, every wait is bounded, and it recovers."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence

from switch import limits
from tests.faults.audit import audit
from tests.faults.load import Load
from tests.faults.wire import SILENCE, UNKNOWN_OUTCOME
from tests.integration.running import is_running, until

DECISIONS_BEFORE = 100
DECISIONS_MEANWHILE = 300
FROZEN_S = 4.0  # long enough for keys to be distrusted and queues to be refused
FROZEN_SHORT_S = 1.0
FROZEN_LONG_S = limits.STATEMENT_WAIT_S + limits.QUEUE_WAIT_S_MAX + 1.0  # and for lanes to give up


class Frozen:
    """Processes that are stopped while a block lasts; thawed at its end whatever happens."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids

    def __enter__(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        for pid in self._pids:
            if is_running(pid):
                os.kill(pid, signal.SIGCONT)


async def test_a_frozen_worker_hangs_nobody_else(load: Load, seed: int, long_run: bool) -> None:
    """The other worker goes on deciding; the frozen one goes on when thawed, or is replaced."""
    chance = random.Random(f"{seed} frozen worker")
    switch = load.switch
    async with load.running():
        await load.decides(DECISIONS_BEFORE)
        frozen = chance.choice(switch.workers())
        with Frozen([frozen]):
            await load.decides(DECISIONS_MEANWHILE)
            if long_run:
                await until(lambda: not is_running(frozen), "a hung worker is ended")
                await until(lambda: len(switch.workers()) == 2, "and replaced")
        await load.decides(DECISIONS_MEANWHILE)
    await audit(load)


async def test_a_frozen_database_keeps_nobody_waiting(load: Load, long_run: bool) -> None:
    """While Postgres is silent everybody gets a word in bounded time; then all goes on."""
    journal = load.journal
    silences, unknown = journal.details[SILENCE], journal.details[UNKNOWN_OUTCOME]
    async with load.running():
        await load.decides(DECISIONS_BEFORE)
        refusals = journal.refusals
        with Frozen(load.switch.server_pids()):
            await asyncio.sleep(FROZEN_LONG_S if long_run else FROZEN_S)
            assert journal.refusals > refusals, "new messages are refused meanwhile"
        await load.decides(DECISIONS_BEFORE)
    assert journal.details[SILENCE] == silences, "somebody was left without a word"
    if long_run:
        assert journal.details[UNKNOWN_OUTCOME] > unknown, "what was sent is unknown, not undone"
    await audit(load)


async def test_one_frozen_backend_keeps_nobody_waiting(load: Load, long_run: bool) -> None:
    """Whoever waits for the locks of a backend that hangs in its transaction is told in time."""
    switch, journal = load.switch, load.journal
    silences = journal.details[SILENCE]
    async with load.running():
        await load.decides(DECISIONS_BEFORE)
        with Frozen([await switch.deciding_backend()]):
            await asyncio.sleep(FROZEN_LONG_S if long_run else FROZEN_SHORT_S)
        await load.decides(DECISIONS_BEFORE)
    assert journal.details[SILENCE] == silences, "somebody was left without a word"
    await audit(load)


async def test_a_frozen_supervisor_takes_nobody_for_hung(load: Load, long_run: bool) -> None:
    """After a pause of its own, or of the machine, it hears first, then judges."""
    switch = load.switch
    async with load.running():
        await load.decides(DECISIONS_BEFORE)
        workers = switch.workers()
        with Frozen([switch.pid]):
            await asyncio.sleep(limits.HUNG_S_MAX + FROZEN_SHORT_S if long_run else FROZEN_SHORT_S)
        await load.decides(DECISIONS_MEANWHILE)
        assert switch.workers() == workers, "the same are still there"
    await audit(load)
