"""Pictures are drawn one after the other, off the event loop, and not without end."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from switch.errors import Problem
from switch.services.codes import merchant_presented
from switch.services.codes.limits import PARTICIPANT_PICTURES_MAX, PICTURES_MAX
from switch.services.codes.merchant_presented import Easel


class Painter:
    """Draws when it is let, and remembers how many were drawn at once."""

    def __init__(self) -> None:
        self.may_draw = threading.Event()
        self.at_once = 0
        self.at_once_max = 0

    def __call__(self, payload: str) -> str:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        assert self.may_draw.wait(60)
        self.at_once -= 1
        return payload.upper()


@pytest.fixture
def painter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Painter]:
    """In the place of the one that draws PNGs."""
    made = Painter()
    monkeypatch.setitem(merchant_presented.DRAWN_BY, "png", made)
    yield made
    made.may_draw.set()


async def test_what_is_too_much_is_refused_at_once(painter: Painter) -> None:
    """As many wait as may, the next is told to come again; then each gets its own, in turn."""
    easel = Easel()
    begun = [
        asyncio.create_task(easel.draw("png", f"a{n}", n // PARTICIPANT_PICTURES_MAX))
        for n in range(PICTURES_MAX)
    ]
    await asyncio.sleep(0)
    for participant_no, name in ((0, "too-many-requests"), (99, "overloaded")):
        async with asyncio.timeout(10):
            refused = await easel.draw("png", "one too many", participant_no)
        assert isinstance(refused, Problem)
        assert (refused.name, refused.retry_after_s is not None) == (name, True)
    painter.may_draw.set()
    assert await asyncio.gather(*begun) == [{"png": f"A{n}"} for n in range(PICTURES_MAX)]
    assert painter.at_once_max == 1
    assert await easel.draw("png", "b", 0) == {"png": "B"}


async def test_a_caller_that_goes_away_makes_room(painter: Painter) -> None:
    """And what it left behind never runs beside another."""
    easel = Easel()
    gone = [
        asyncio.create_task(easel.draw("png", "gone", 0)) for _ in range(PARTICIPANT_PICTURES_MAX)
    ]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    await asyncio.wait(gone)
    next_one = asyncio.create_task(easel.draw("png", "next", 0))
    await asyncio.sleep(0)
    painter.may_draw.set()
    assert await next_one == {"png": "NEXT"}
    assert painter.at_once_max == 1
