"""Nothing lost, nothing doubled: kill -9 of the database, a worker, the supervisor, under load.

Each kill comes at a random moment of a load that goes on meanwhile. When the switch decides again,
the load pauses, and the audit compares what participants were told with what the ledger holds.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.audit import audit
from tests.faults.city import Switch, kill
from tests.faults.load import Load
from tests.integration.running import children, is_running, until

KILLS = 1
KILLS_LONG = 5
BEFORE_S = (0.2, 1.5)  # of load, before a kill
DECISIONS_AFTER = 200  # that show that it serves again

Blow = Callable[[Switch, random.Random], Awaitable[None]]


async def _postmaster(switch: Switch, chance: random.Random) -> None:
    """The Postgres server: its keeper starts another."""
    killed = switch.postmaster()
    kill(killed)
    await until(lambda: not is_running(killed), "the server is gone")


async def _backend(switch: Switch, chance: random.Random) -> None:
    """One process of Postgres: the server ends all others and recovers."""
    others = children(switch.postmaster())
    killed = await switch.deciding_backend() if chance.random() < 0.7 else chance.choice(others)
    kill(killed)
    await until(lambda: not is_running(killed), "the process is gone")


async def _worker(switch: Switch, chance: random.Random) -> None:
    """A worker, and sometimes the jobs process too: the supervisor starts them again."""
    killed = [chance.choice(switch.workers())]
    if chance.random() < 0.3:
        killed.append(switch.jobs())
    for pid in killed:
        kill(pid)
    await until(lambda: len(switch.workers()) == 2 and not set(killed) & set(switch.children()),
                "both workers run")  # fmt: skip


async def _supervisor(switch: Switch, chance: random.Random) -> None:
    """The supervisor: everything ends by itself, and the same command serves again."""
    left, servers = switch.children(), switch.server_pids()
    assert len(left) == 5, "two workers, jobs, delivery and banks"
    await switch.kill_supervisor()
    await until(lambda: not any(map(is_running, left)), "all children are gone")
    if chance.random() < 0.5:  # else the next start meets what is still stopping
        await until(lambda: not any(map(is_running, servers)), "Postgres was stopped")
    await switch.start()


@pytest.mark.parametrize("blow", [_postmaster, _backend, _worker, _supervisor])
async def test_nothing_is_lost_and_nothing_doubled(
    blow: Blow, load: Load, seed: int, long_run: bool
) -> None:
    """Every answer given before a kill holds after it, and every doubt is settled by asking."""
    chance = random.Random(f"{seed} {blow.__name__}")
    for _ in range(KILLS_LONG if long_run else KILLS):
        async with load.running():
            await load.decides(1)
            await asyncio.sleep(chance.uniform(*BEFORE_S))
            await blow(load.switch, chance)
            await load.decides(DECISIONS_AFTER)
        await audit(load)
