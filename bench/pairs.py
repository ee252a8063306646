"""Two ways of one thing, measured in turn: ratios within a pair, their median, and how sure it is.

A and B are measured one after the other, again and again, because a machine that is shared drifts:
a ratio is formed of neighbours only. How far the true median may be from the one that was seen is
told by the sign test, which assumes nothing of how the ratios are spread: of n ratios, so many of
the worst are left out as a true median would rarely have on its wrong side.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.harness import Results

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is wanted of a ratio: at least something, or at most something."""

    name: str
    wanted: float
    is_floor: bool

    @property
    def shown(self) -> str:
        """As it stands in the table."""
        return f"{'≥' if self.is_floor else '≤'} {self.wanted:g}"

    def is_met_by(self, ratio: float) -> bool:
        """Whether this ratio is good enough."""
        return ratio >= self.wanted if self.is_floor else ratio <= self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The ratios of all pairs against their target."""

    target: Target
    ratios: tuple[float, ...]

    @property
    def median(self) -> float:
        """The ratio in the middle."""
        return statistics.median(self.ratios)

    @property
    def bound(self) -> float | None:
        """The true median is not worse than this, with the confidence stated."""
        return bound_of_median(self.ratios, is_lower=self.target.is_floor)

    @property
    def verdict(self) -> str:
        """Whether the target is met, and how surely."""
        if not self.target.is_met_by(self.median):
            return "no"
        is_sure = self.bound is not None and self.target.is_met_by(self.bound)
        return "yes" if is_sure else "by the median alone"


def in_turn(pair_no: int, first: str, second: str) -> tuple[str, str]:
    """The two of a pair, every second time the other way round: a drift meets both alike."""
    return (first, second) if pair_no % 2 else (second, first)


def bound_of_median(ratios: Sequence[float], *, is_lower: bool) -> float | None:
    """A one-sided bound of the true median by the sign test; None where the pairs are too few.

    The k-th smallest of n values is above the true median only if fewer than k of them are below
    it, which has the probability of fewer than k heads of n coins. Five pairs are the fewest that
    give a bound with 95 %; of nine it is the second smallest, of twelve the third.
    """
    count = len(ratios)
    left_out, chance = 0, 0.0
    while True:
        chance += math.comb(count, left_out) / 2**count
        if chance > 1 - CONFIDENCE:
            break
        left_out += 1
    return sorted(ratios, reverse=not is_lower)[left_out - 1] if left_out else None


def conclude(compared: Sequence[Compared], results: Results, console: Console) -> None:
    """One line of the table, and of the results, for each target."""
    table = Table(
        *("ratio", "median", f"bound at {CONFIDENCE:.0%}", "least", "most", "pairs", "wanted"),
        "reached",
        box=None,
        pad_edge=False,
    )
    for one in compared:
        bound = "none" if one.bound is None else f"{one.bound:.3f}"
        table.add_row(
            one.target.name,
            f"{one.median:.3f}",
            bound,
            f"{min(one.ratios):.3f}",
            f"{max(one.ratios):.3f}",
            str(len(one.ratios)),
            one.target.shown,
            one.verdict,
        )
        results.write(
            {
                "ratio": one.target.name,
                "median": one.median,
                "bound_by_sign_test": one.bound,
                "confidence": CONFIDENCE,
                "pairs": one.ratios,
                "wanted": one.target.shown,
                "reached": one.verdict,
            }
        )
    console.print()
    console.print(table)
