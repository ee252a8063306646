"""What a supervisor makes of a child's silence."""

import asyncio
import time

import pytest

from switch import limits
from switch.supervisor import next_line


async def test_a_child_that_says_nothing_is_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence has a bound."""
    monkeypatch.setattr(limits, "HUNG_S_MAX", 0.01)
    monkeypatch.setattr(limits, "HUNG_LAST_LOOK_S", 0.01)
    with pytest.raises(TimeoutError):
        await next_line(asyncio.StreamReader())


async def test_what_was_said_during_a_pause_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that stood still itself hears its children before it judges them."""
    monkeypatch.setattr(limits, "HUNG_S_MAX", 0.05)
    reports = asyncio.StreamReader()
    reading = asyncio.create_task(next_line(reports))
    await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251  the whole process stands still, the bound passes
    asyncio.get_running_loop().call_later(0.01, reports.feed_data, b"alive\n")
    assert await reading == b"alive\n"
    reports.feed_eof()
    assert await next_line(reports) == b""
