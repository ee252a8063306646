"""When each key last signed: remembered in memory, written down about once a minute.

Nothing of it stands on the way of a payment but one entry in a table. What is written is as old as
the interval at most; what a worker noted and had not written when it was killed is lost.
"""

import asyncio
from datetime import UTC, datetime

import asyncpg

from switch import limits, log
from switch.errors import LedgerUnavailable
from switch.participants import Key
from switch.reads import Reads

_log = log.logger("key uses")


class KeyUses:
    """The latest use of every key that signed since the last writing; one entry a key."""

    def __init__(self, *, reads: Reads, interval_s: float = limits.KEY_USES_INTERVAL_S) -> None:
        self._reads = reads
        self._interval_s = interval_s
        self._latest: dict[str, tuple[Key, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, key: Key, now_us: int) -> None:
        """The key signed a request at this time."""
        self._latest[key.id] = (key, now_us)

    def start(self) -> None:
        """Write regularly from now on."""
        self._task = asyncio.create_task(self._run(), name="key uses")

    async def stop(self) -> None:
        """Write what is left, once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._write()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self._write()

    async def _write(self) -> None:
        latest, self._latest = self._latest, {}
        uses = list(latest.values())
        is_written = False
        try:
            for start in range(0, len(uses), limits.KEY_USES_WRITE_MAX):
                piece = uses[start : start + limits.KEY_USES_WRITE_MAX]
                await self._reads.record_key_uses(
                    [key.participant.number for key, _ in piece],
                    [key.name for key, _ in piece],
                    [datetime.fromtimestamp(used_us / 1_000_000, UTC) for _, used_us in piece],
                )
            is_written = True
        except (LedgerUnavailable, asyncpg.PostgresError) as error:
            _log.warning("last uses of keys are not written yet", error=repr(error))
        finally:
            if not is_written:
                self._latest = latest | self._latest
