"""A worker sees how far its clock is from the database's."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from switch import db
from switch.clock import SYSTEM_CLOCK, Clock
from switch.errors import SwitchError
from switch.metrics import WorkerMetrics
from switch.participants import Participants
from tests.databases import WORKER, Database

MOVED_S = 60


class MovedClock(Clock):
    """The machine's clock, set wrong by so much."""

    def __init__(self, moved_s: int) -> None:
        self._moved_us = moved_s * 1_000_000

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return SYSTEM_CLOCK.now_us() + self._moved_us


async def apart_s(database: Database, folder: Path, moved_s: int) -> float:
    """What a worker with such a clock finds at its first question."""
    participants = Participants(
        connect=lambda: db.connect(database.url(WORKER), application_name="clock"),
        key_dir=folder,
        clock=MovedClock(moved_s),
        metrics=WorkerMetrics(CollectorRegistry()),
    )
    with pytest.raises(SwitchError, match="no valid signing key"):
        await participants.start()
    return participants.clock_apart_s


async def test_one_clock_is_not_apart_from_itself(database: Database, tmp_path: Path) -> None:
    """However long the question takes."""
    assert await apart_s(database, tmp_path, 0) == 0.0


@pytest.mark.parametrize("moved_s", [-MOVED_S, MOVED_S])
async def test_a_clock_that_is_wrong_is_seen(
    database: Database, tmp_path: Path, moved_s: int
) -> None:
    """Fast or slow: what the question itself took, at most a second, may be missing."""
    assert MOVED_S - 1 <= await apart_s(database, tmp_path, moved_s) <= MOVED_S
