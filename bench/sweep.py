"""One question asked at many points: every point in every round, every second round backwards.

A point is what was set (`at`), a figure is what was seen there; each is a line of the results.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rich.console import Console

from bench.harness import Measurement, Results

Point = dict[str, Any]
Measure = Callable[[Point], Awaitable[Measurement]]


async def walk(
    name: str,
    round_no: int,
    points: Sequence[Point],
    measure: Measure,
    results: Results,
    console: Console,
) -> list[tuple[Point, Measurement]]:
    """One round: what was seen at every point."""
    found = []
    for point in points if round_no % 2 else tuple(reversed(points)):
        shown = "  ".join(f"{key} {value}" for key, value in point.items())
        with console.status(f"{name}, round {round_no}: {shown}"):
            measured = await measure(point)
        results.write(
            {
                "question": name,
                "round": round_no,
                "at": point,
                "per_second": measured.per_second,
                "seen": measured.seen,
            }
        )
        seen = "  ".join(f"{key} {value}" for key, value in measured.seen.items())
        console.print(
            f"round {round_no}  {name}  {shown:<28}{measured.per_second:>10,.0f}/s   {seen}",
            highlight=False,
            soft_wrap=True,
        )
        found.append((point, measured))
    return found
