"""What became of calls is recorded together, and one that cannot be recorded harms no other."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry, Counter

from switch import limits
from switch.bank_calls import Called, Kind
from switch.bank_settling import Settling
from switch.clock import SYSTEM_CLOCK


@dataclass(slots=True, kw_only=True)
class Book:
    """Where it is recorded: open or closed, and refusing what it is told to refuse."""

    recorded: list[UUID] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    refused: set[UUID] = field(default_factory=set)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    async def settle(self, called: Sequence[Called]) -> int:
        """All of them or none."""
        self.batches.append(len(called))
        await asyncio.sleep(0)  # as over a network: others have their turn meanwhile
        await self.is_open.wait()
        if any(one.payment in self.refused for one in called):
            raise ConnectionError("refused")
        self.recorded.extend(one.payment for one in called)
        return len(called)


def called() -> Called:
    """A call that was decided."""
    return Called(payment=uuid4(), kind=Kind.CREDIT, decision="accepted", result="accepted")


async def settle_all(book: Book, answers: Sequence[Called], *, until: int) -> None:
    """Hand over answers at once, and record until so many are settled."""
    failures = Counter("failures", "of the test", ("job",), registry=CollectorRegistry())
    settling = Settling(book.settle, failures=failures, clock=SYSTEM_CLOCK)
    running = asyncio.create_task(settling.run())
    waiting = [asyncio.create_task(settling.settled(one)) for one in answers]
    await asyncio.sleep(0)
    book.is_open.set()
    settled: set[asyncio.Task[None]] = set()
    async with asyncio.timeout(10):
        while len(settled) < until:
            settled |= (await asyncio.wait(set(waiting) - settled, return_when=FIRST_COMPLETED))[0]
    for task in (running, *waiting):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_answers_that_come_together_share_a_commit() -> None:
    """What gathers while one statement is under way goes with the next, in its order."""
    book = Book()
    answers = [called() for _ in range(50)]
    await settle_all(book, answers, until=50)
    assert book.recorded == [one.payment for one in answers]
    assert len(book.batches) <= 2


async def test_an_answer_that_cannot_be_recorded_harms_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that came with it and after it are recorded; it stays, and waits."""
    monkeypatch.setattr(limits, "BANK_SETTLE_PAUSE_S", 0.01)
    book = Book()
    answers = [called() for _ in range(50)]
    book.refused.add(answers[20].payment)
    await settle_all(book, answers, until=49)
    assert sorted(book.recorded) == sorted(one.payment for one in answers if one is not answers[20])


async def test_an_answer_nobody_waits_for_any_more_is_not_recorded() -> None:
    """Its call is made again by somebody, who would be overtaken by it."""
    book = Book()
    failures = Counter("failures", "of the test", ("job",), registry=CollectorRegistry())
    settling = Settling(book.settle, failures=failures, clock=SYSTEM_CLOCK)
    given_up, kept = called(), called()
    waiting = [asyncio.create_task(settling.settled(one)) for one in (given_up, kept)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    book.is_open.set()
    running = asyncio.create_task(settling.run())
    async with asyncio.timeout(10):
        await waiting[1]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert book.recorded == [kept.payment]
