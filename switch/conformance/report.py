"""Checks and what they came to."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct

Outcome = Literal["passed", "failed", "skipped"]


class Seen(Struct, frozen=True, kw_only=True):
    """What a check saw; `detail` is for a person, and needed unless it passed."""

    outcome: Outcome
    detail: str = ""


PASSED = Seen(outcome="passed")


class Check(Struct, frozen=True, kw_only=True):
    """One promise of a participant's server, and how it is tried."""

    name: str
    promise: str  # what the server does
    advice: str  # what to do when it does not
    run: Callable[[], Awaitable[Seen]]


class Result(Struct, frozen=True, kw_only=True):
    """One line of the report."""

    check: str
    promise: str
    result: Outcome
    seen: str
    advice: str


class Report(Struct, frozen=True, kw_only=True):
    """What a run came to."""

    url: str
    kind: str
    results: tuple[Result, ...]

    def count(self, outcome: Outcome) -> int:
        """How many checks ended so."""
        return sum(one.result == outcome for one in self.results)

    @property
    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "url": self.url,
            "kind": self.kind,
            "passed": self.count("passed"),
            "failed": self.count("failed"),
            "skipped": self.count("skipped"),
            "checks": [
                {name: getattr(one, name) for name in Result.__struct_fields__}
                for one in self.results
            ],
        }


def failed(detail: str) -> Seen:
    """The server broke its promise, and how."""
    return Seen(outcome="failed", detail=detail)


def skipped(detail: str) -> Seen:
    """It could not be tried, and why."""
    return Seen(outcome="skipped", detail=detail)


async def tried(check: Check) -> Result:
    """Run one check."""
    seen = await check.run()
    assert seen.detail or seen.outcome == "passed", f"{check.name} says why"
    return Result(
        check=check.name,
        promise=check.promise,
        result=seen.outcome,
        seen=seen.detail,
        advice=check.advice if seen.outcome == "failed" else "",
    )
