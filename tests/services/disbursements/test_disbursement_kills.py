"""The jobs process is killed again and again while it pays: every line is paid exactly once."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.running import children
from tests.integration.two_workers import TwoWorkers
from tests.services.disbursements.office import Office

LINES = 4_000
KILLS = 5
LOOK_S = 0.005
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers and the jobs."""
    return two_workers


def _jobs() -> list[int]:
    """The jobs process, none while it is being started again."""
    return [pid for pid in children(os.getpid()) if _is_jobs(pid)]


def _is_jobs(pid: int) -> bool:
    try:
        return b"_jobs" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_every_line_is_paid_once(office: Office, long_run: bool) -> None:
    """Killed as soon as some more lines are paid, as often as something is left."""
    count = 10 * LINES if long_run else LINES
    lines = office.lines(count, amount=1)
    reply = await office.create(count, count)
    made = reply.json["disbursement"]
    for first in range(0, count, LINES):
        reply = await office.add(made, lines[first : first + LINES])
        assert reply.status == 201, reply.body
    await office.act(made, "submit")
    await office.act(made, "approve", office.head)
    killed, seen = 0, 0
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown = await office.shown(made)
            if shown["status"] == "done":
                break
            assert shown["status"] == "paying", shown
            running = _jobs()
            if shown["paid"] > seen and killed < KILLS and running:
                os.kill(running[0], signal.SIGKILL)
                killed, seen = killed + 1, shown["paid"]
            await asyncio.sleep(LOOK_S)
    assert killed > 0
    assert (shown["paid"], shown["declined"], shown["paid_total"]) == (count, 0, count)
    results = await office.results(made)
    assert Counter(one["line"] for one in results) == Counter(range(1, count + 1))
    payments = await office.town.operator.connection.fetchval(
        "SELECT count(*) FROM ledger.payment WHERE payer = $1 AND outcome = 0", office.account
    )
    assert payments == count
    assert len({one["payment"] for one in results}) == count
    assert await office.town.operator.check_books() == []
