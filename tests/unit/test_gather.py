"""Questions that come together are asked together, and each gets its own answer."""

import asyncio
from typing import Any

import pytest

from switch import limits
from switch.errors import LedgerUnavailable
from switch.gather import Gatherer


class Ledger:
    """Answers each question by itself, when it is let; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.may_answer = asyncio.Event()
        self.fault: BaseException | None = None

    async def fetch(self, query: str, *columns: Any) -> Any:
        self.asked.append((query, *columns))
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        pairs = list(zip(*columns[:2], strict=True))
        return [
            {"ask": number, "answer": pair}
            for number, pair in enumerate(pairs, start=1)
            if pair[1] != "nothing"
        ]


async def until_asked(ledger: Ledger, count: int) -> None:
    """Give it the turns of the event loop that it needs to be asked so many times."""
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(ledger.asked) == count


async def test_a_question_follows_another_after_an_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until then whatever comes gathers, though nothing is under way; the first goes at once."""
    monkeypatch.setattr(limits, "QUESTIONS_INTERVAL_S", 60.0)
    ledger = Ledger()
    ledger.may_answer.set()
    gatherer = Gatherer(ledger.fetch, "look_up")
    assert await gatherer.ask((1, "a"))
    waiting = [asyncio.create_task(gatherer.ask((number, "b"))) for number in (2, 3)]
    await until_asked(ledger, 1)
    for task in waiting:
        task.cancel()
    monkeypatch.setattr(limits, "QUESTIONS_INTERVAL_S", 0.01)
    gatherer = Gatherer(ledger.fetch, "look_up")
    await gatherer.ask((1, "a"))
    await asyncio.gather(*(gatherer.ask((number, "b")) for number in (2, 3)))
    assert ledger.asked[1:] == [("look_up", [1], ["a"]), ("look_up", [2, 3], ["b", "b"])]


async def test_what_is_asked_meanwhile_is_asked_at_once() -> None:
    """One statement is under way at a time; each question has its rows, or none, in its order."""
    ledger = Ledger()
    gatherer = Gatherer(ledger.fetch, "look_up", "constant")
    first = asyncio.create_task(gatherer.ask((1, "a")))
    await until_asked(ledger, 1)
    second = asyncio.create_task(gatherer.ask((2, "b"), (2, "nothing"), (2, "c")))
    third = asyncio.create_task(gatherer.ask((1, "b")))
    for _ in range(5):
        await asyncio.sleep(0)
    assert ledger.asked == [("look_up", [1], ["a"], "constant")]
    ledger.may_answer.set()
    found = await asyncio.gather(first, second, third)
    assert ledger.asked[1:] == [
        ("look_up", [2, 2, 2, 1], ["b", "nothing", "c", "b"], "constant"),
    ]
    answers = [[[row["answer"] for row in rows] for rows in one] for one in found]
    assert answers == [[[(1, "a")]], [[(2, "b")], [], [(2, "c")]], [[(1, "b")]]]


async def test_more_than_a_statement_takes_waits_for_the_next() -> None:
    """A statement has a bound; who came first is asked for first."""
    ledger = Ledger()
    ledger.may_answer.set()
    gatherer = Gatherer(ledger.fetch, "look_up")
    count = 2 * limits.QUESTIONS_GATHERED_MAX + 1
    found = await asyncio.gather(*(gatherer.ask((number, "a")) for number in range(count)))
    assert [rows[0]["answer"][0] for (rows,) in found] == list(range(count))
    bound = limits.QUESTIONS_GATHERED_MAX
    assert [len(columns) for _, columns, _ in ledger.asked] == [bound, bound, 1]


async def test_who_has_gone_is_not_asked_for() -> None:
    """A caller that left before his turn costs the ledger nothing, and nobody else an answer."""
    ledger = Ledger()
    gatherer = Gatherer(ledger.fetch, "look_up")
    stays = asyncio.create_task(gatherer.ask((1, "a")))
    await until_asked(ledger, 1)
    leaves, waits = (asyncio.create_task(gatherer.ask((2, name))) for name in "bc")
    await asyncio.sleep(0)
    leaves.cancel()
    stays.cancel()
    await asyncio.sleep(0)
    ledger.may_answer.set()
    assert (await waits)[0][0]["answer"] == (2, "c")
    assert ledger.asked[1:] == [("look_up", [2], ["c"])]


@pytest.mark.parametrize("fault", [LedgerUnavailable("gone"), ValueError("a fault")])
async def test_a_failure_is_told_to_all_and_ends_with_them(fault: Exception) -> None:
    """Nobody hangs, whatever went wrong, and who asks next is asked for anew."""
    ledger = Ledger()
    ledger.fault = fault
    gatherer = Gatherer(ledger.fetch, "look_up")
    asked = [asyncio.create_task(gatherer.ask((1, name))) for name in "ab"]
    ledger.may_answer.set()
    failed = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in failed] == [LedgerUnavailable] * 2
    ledger.fault = None
    (rows,) = await gatherer.ask((1, "c"))
    assert rows[0]["answer"] == (1, "c")


async def test_waiting_for_others_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stands behind a statement that takes for ever is refused in time, as if alone."""
    monkeypatch.setattr(limits, "READ_TIMEOUT_S", 0.05)
    ledger = Ledger()
    gatherer = Gatherer(ledger.fetch, "look_up")
    asked = [asyncio.create_task(gatherer.ask((1, "a")))]
    await until_asked(ledger, 1)
    asked.append(asyncio.create_task(gatherer.ask((1, "b"))))
    async with asyncio.timeout(10):
        failed = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in failed] == [LedgerUnavailable] * 2
    ledger.may_answer.set()
    (rows,) = await gatherer.ask((1, "c"))
    assert rows[0]["answer"] == (1, "c")
    assert len(ledger.asked) == 2, "nobody waited any more for b"
