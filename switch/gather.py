"""Questions of one kind that come at the same time are asked of the ledger at once.

While one statement is under way, whatever is asked meanwhile waits for the next, and a statement of
the same kind follows another no sooner than after an interval, which is shorter than the one that
a caller's budget leaves it between two look-ups. So an idle switch answers in one round trip; in a
storm the round trips are shared, and all questions of a kind of one worker keep one connection busy
and no more.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from switch import limits, log
from switch.errors import LedgerUnavailable

_log = log.logger("gather")

Question = tuple[Any, ...]
Found = list[list[asyncpg.Record]]  # for each question its rows
Fetch = Callable[..., Awaitable[Sequence[asyncpg.Record]]]


class Gatherer:
    """Asks one query, whose parameters are columns and whose rows name their question in `ask`."""

    def __init__(self, fetch: Fetch, query: str, *constants: object) -> None:
        self._fetch = fetch
        self._query = query
        self._constants = constants  # parameters after the columns
        self._waiting: deque[tuple[Sequence[Question], asyncio.Future[Found]]] = deque()
        self._flight: asyncio.Task[None] | None = None

    async def ask(self, *questions: Question) -> Found:
        """The rows of each question, in the order of the query.

        Raises LedgerUnavailable when there is no answer in time, waiting for others included.
        """
        answered: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((questions, answered))
        if self._flight is None:
            self._flight = asyncio.create_task(self._fly(), name=self._query)
        try:
            async with asyncio.timeout(limits.READ_TIMEOUT_S):
                return await answered
        except TimeoutError as error:
            raise LedgerUnavailable("the ledger does not answer") from error

    async def _fly(self) -> None:
        """Ask until nobody waits, at intervals."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                next_at_s = loop.time() + limits.QUESTIONS_INTERVAL_S
                await self._ask_at_once(self._next())
                if (left_s := next_at_s - loop.time()) > 0:
                    await asyncio.sleep(left_s)
        finally:
            self._flight = None

    def _next(self) -> list[tuple[Sequence[Question], asyncio.Future[Found]]]:
        """Who is asked for next, in the order they came; at least one."""
        taken, count = [], 0
        while self._waiting and count < limits.QUESTIONS_GATHERED_MAX:
            questions, answered = self._waiting.popleft()
            if not answered.done():  # else who asked has gone
                taken.append((questions, answered))
                count += len(questions)
        return taken

    async def _ask_at_once(
        self, taken: list[tuple[Sequence[Question], asyncio.Future[Found]]]
    ) -> None:
        every = [question for questions, _ in taken for question in questions]
        if not every:
            return
        columns = [list(column) for column in zip(*every, strict=True)]
        found: Found = [[] for _ in every]
        failure: LedgerUnavailable | None = None
        try:
            for row in await self._fetch(self._query, *columns, *self._constants):
                found[row["ask"] - 1].append(row)
        except LedgerUnavailable as error:
            failure = error
        except Exception:
            _log.exception("fault in a question", question=self._query)
            failure = LedgerUnavailable("the ledger cannot answer this")
        at = 0
        for questions, answered in taken:
            if not answered.done():
                if failure is None:
                    answered.set_result(found[at : at + len(questions)])
                else:
                    answered.set_exception(failure)
            at += len(questions)
