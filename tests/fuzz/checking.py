"""Running a corpus: many conversations at a time, and what must be true of every answer."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from tests.fuzz.http_corpus import Case
from tests.fuzz.target import DOCUMENTED, Target
from tests.fuzz.wire import Received

AT_ONCE = 24  # conversations at a time
SHOWN_MAX = 20  # failures that are told one by one


async def all_of(
    cases: Iterable[Case], check: Callable[[Case], Awaitable[None]], *, at_once: int = AT_ONCE
) -> None:
    """Every case, some at a time; the failures are told together, by name."""
    gate = asyncio.Semaphore(at_once)
    failures = []

    async def one(case: Case) -> None:
        async with gate:
            try:
                await check(case)
            except (AssertionError, OSError) as error:
                failures.append(f"{case.name}: {type(error).__name__} {str(error)[:300]}")

    await asyncio.gather(*(one(case) for case in cases))
    assert not failures, f"{len(failures)} failed:\n" + "\n".join(failures[:SHOWN_MAX])


def check_answers(received: Received) -> None:
    """No answer is a fault of the switch."""
    for answer in received.answers:
        assert answer.status < 500 or answer.problem in DOCUMENTED, (
            f"{answer.status} {answer.body!r}"
        )


async def check_case(target: Target, case: Case) -> None:
    """Not a fault, not more answers than requests, and signed only if it was verified."""
    received = await target.send(case.pieces, is_head=case.is_head)
    check_answers(received)
    assert len(received.answers) <= case.answers_max, [one.status for one in received.answers]
    for answer in received.answers:
        if "Signature" in answer.headers:
            assert case.sent is not None, "an unsigned request got a signed answer"
            target.check_signed(answer, case.sent)
        else:
            assert answer.status != 201, "a decision is signed"
