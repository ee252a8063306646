"""What happens while the load runs: a bank hangs and comes back, processes are killed with -9.

An incident begins a part of the run's time after the first message was sent, and says what it did.
It needs a city that was founded for the run: nobody else's processes are touched, and each is ended
by the id that its own supervisor or its own database knows.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from loadtests.city import Own
from switch import demo_bank
from switch.clock import SYSTEM_CLOCK
from switch.cluster import recorded_pid
from switch.errors import SwitchError
from switch.keeper import Home

BEGINS, ENDS = 1 / 4, 1 / 2  # of the run's time
LOOK_S = 0.05
START_WAIT_S = 60.0  # for locust to send something
RECOVER_S_MAX = 60.0

Incident = Callable[[Own, float], Awaitable[None]]


async def bank_outage(own: Own, duration_s: float) -> None:
    """The bank that holds its customers' money takes every request and answers none; then again.

    It comes back when its time is over and it has let somebody wait, so every run has seen it.
    """
    await asyncio.sleep(BEGINS * duration_s)
    await _turn(own, hang=1.0)
    print("the bank hangs", flush=True)
    try:
        await asyncio.sleep((ENDS - BEGINS) * duration_s)
        await _until_somebody_waits(own)
    finally:
        await _turn(own, hang=0.0)
    print("the bank is back", flush=True)


async def _turn(own: Own, **knobs: float) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.put(f"{own.bank_url}/knobs", json=knobs) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def _until_somebody_waits(own: Own) -> None:
    give_up_at_s = SYSTEM_CLOCK.monotonic_s() + START_WAIT_S
    async with aiohttp.ClientSession() as session:
        while SYSTEM_CLOCK.monotonic_s() < give_up_at_s:
            async with session.get(f"{own.bank_url}/figures") as answer:
                if (await answer.json()).get("hung"):
                    return
            await asyncio.sleep(LOOK_S)
    raise SwitchError("nobody asked the bank while it hung")


async def kills(own: Own, duration_s: float) -> None:
    """A worker, and later the Postgres server: both are started again by those who watch them."""
    await asyncio.sleep(BEGINS * duration_s)
    workers = [child for child in own.switch.supervisor.children if child.name[:6] == "worker"]
    worker_pid = workers[0].pid
    assert worker_pid is not None, "a worker that died alone"
    _kill("worker", worker_pid)
    await asyncio.sleep((ENDS - BEGINS) * duration_s)
    server_pid = recorded_pid(Home(data_dir=own.data_dir).cluster)
    assert server_pid is not None, "a database that died alone"
    _kill("the Postgres server", server_pid)


def _kill(what: str, pid: int) -> None:
    print(f"kill -9 of {what} {pid}", flush=True)
    os.kill(pid, signal.SIGKILL)


INCIDENTS: dict[str, Incident] = {"bank_outage": bank_outage, "kills": kills}


async def happen(name: str, own: Own, record: Path, duration_s: float) -> None:
    """Let it happen, from the first message on, and the load go on for the rest of its time."""
    await _until(lambda: any(record.glob("*.jsonl")), START_WAIT_S, "locust sent nothing")
    ends_at_s = SYSTEM_CLOCK.monotonic_s() + duration_s
    await INCIDENTS[name](own, duration_s)
    await asyncio.sleep(max(0.0, ends_at_s - SYSTEM_CLOCK.monotonic_s()))


async def over(own: Own) -> list[str]:
    """Wait until every process serves and nothing waits for the bank; what its book says else."""
    children = own.switch.supervisor.children
    await _until(
        lambda: all(child.waiting_for is None for child in children),
        RECOVER_S_MAX,
        "the switch does not serve again",
    )
    compared = await demo_bank.compared(own.issuer, own.book)
    findings = [f"the bank's book differs: {one}" for one in compared.differences]
    if compared.waiting:
        findings.append(f"{compared.waiting} payments still wait for the bank")
    return findings


async def _until(is_so: Callable[[], bool], wait_s: float, otherwise: str) -> None:
    give_up_at_s = SYSTEM_CLOCK.monotonic_s() + wait_s
    while not is_so():
        if SYSTEM_CLOCK.monotonic_s() > give_up_at_s:
            raise SwitchError(otherwise)
        await asyncio.sleep(LOOK_S)
