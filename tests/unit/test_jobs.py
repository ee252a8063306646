"""When the fold comes round again: small bites at once, rounds that grow with what there was."""

from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from switch import limits, upkeep
from switch.config import Config
from switch.jobs import Jobs
from switch.metrics import JobMetrics
from switch.upkeep import Folded

FULL = limits.FOLD_SIZE_MAX
PAUSE_S = limits.FOLD_PAUSE_S


@pytest.mark.parametrize(
    ("bites", "waits_s"),
    [
        ([10, 0], [1.0, 1.0]),
        ([FULL, 500, 10], [PAUSE_S, 2.5, 1.0]),
        ([FULL, FULL, FULL, 0, 0], [PAUSE_S, PAUSE_S, PAUSE_S, 4.0, 1.0]),
    ],
)
async def test_a_round_of_the_fold_is_as_long_as_it_was_large(
    bites: list[int], waits_s: list[float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Never shorter than the interval, never longer than its bound, and each anew."""
    left = list(bites)

    async def fold(connection: object, limit: int) -> Folded:
        return Folded(credits=left.pop(0), accounts=1)

    monkeypatch.setattr(upkeep, "fold_credits", fold)
    config = Config(authorities=("a",), database_url="", key_dir=tmp_path)
    jobs = Jobs(config, JobMetrics(CollectorRegistry()))
    turn = next(job.turn for job in jobs.jobs if job.name == "fold")
    assert [await turn(cast(Any, None)) for _ in bites] == waits_s
