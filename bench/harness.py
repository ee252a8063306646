"""The harness: questions are measured in turn, round after round, and compared within a round.

A machine that is shared or warms up drifts, so figures of different minutes do not compare. Every
round therefore asks all questions, every second round in the opposite order, and a ratio is formed
of two figures of the same round; what is shown is the median over the rounds and the spread. Each
figure is one JSON line in a results file whose first line is the machine and the settings.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from bench.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One answer to one question: a rate, and what else was seen."""

    per_second: float
    seen: dict[str, Any]


class Question(Protocol):
    """What a file of this folder asks."""

    name: str
    asks: str

    async def prepare(self, stage: Stage) -> None:
        """What is done once, before the first round."""
        ...

    async def measure(self, stage: Stage) -> Measurement:
        """One turn; it leaves nothing running behind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Two questions whose rates are compared, and what is wanted of it, if anything is."""

    of: str
    to: str
    wanted_min: float | None = None

    @property
    def name(self) -> str:
        """As it stands in the table."""
        return f"{self.of} ÷ {self.to}"


class Results:
    """Where figures go: memory for the tables, and lines of a file if one is kept."""

    def __init__(self, folder: Path | None, machine: dict[str, Any]) -> None:
        self.rates: dict[str, dict[int, float]] = {}  # by question, by round
        self._run = datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
        self.path = None if folder is None else folder / f"{self._run}.jsonl"
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.write({"machine": machine})

    def add(self, question: str, round_no: int, measured: Measurement) -> None:
        """Keep one figure."""
        self.rates.setdefault(question, {})[round_no] = measured.per_second
        self.write({"question": question, "round": round_no, **asdict(measured)})

    def ratios(self, ratio: Ratio) -> list[float]:
        """The ratio in every round that has both figures."""
        of, to = self.rates.get(ratio.of, {}), self.rates.get(ratio.to, {})
        return [of[number] / to[number] for number in sorted(of.keys() & to.keys())]

    def write(self, line: dict[str, Any]) -> None:
        """One line of the file."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"run": self._run, **line}, ensure_ascii=False) + "\n")


async def run_rounds(
    stage: Stage, questions: Sequence[Question], results: Results, console: Console
) -> None:
    """Ask every question in every round; after each round the books must be right."""
    for question in questions:
        with console.status(f"preparing {question.name}"):
            await question.prepare(stage)
    for round_no in range(1, stage.size.rounds + 1):
        for question in questions if round_no % 2 else tuple(reversed(questions)):
            await stage.settle()
            with console.status(f"round {round_no} of {stage.size.rounds}: {question.asks}"):
                measured = await question.measure(stage)
            results.add(question.name, round_no, measured)
            console.print(
                f"round {round_no}/{stage.size.rounds}  {question.name:<18}"
                f"{measured.per_second:>10,.0f}/s   {_shown(measured.seen)}",
                highlight=False,
                soft_wrap=True,
            )
        with console.status("checking the books"):
            await stage.check_books()


def conclude(
    questions: Sequence[Question],
    ratios: Sequence[Ratio],
    results: Results,
    console: Console,
) -> None:
    """The tables at the end, and the ratios as lines of the results."""
    rates = Table("question", "median /s", "least", "most", "rounds", box=None, pad_edge=False)
    for question in questions:
        values = list(results.rates[question.name].values())
        rates.add_row(
            question.name,
            f"{statistics.median(values):,.0f}",
            f"{min(values):,.0f}",
            f"{max(values):,.0f}",
            str(len(values)),
        )
    compared = Table(
        "ratio", "median", "least", "most", "wanted", "reached", box=None, pad_edge=False
    )
    for ratio in ratios:
        values = results.ratios(ratio)
        if not values:
            continue
        median, wanted = statistics.median(values), ratio.wanted_min
        results.write({"ratio": ratio.name, "median": median, "rounds": values})
        compared.add_row(
            ratio.name,
            f"{median:.2f}",
            f"{min(values):.2f}",
            f"{max(values):.2f}",
            "" if wanted is None else f"≥ {wanted:g}",
            "" if wanted is None else "yes" if median >= wanted else "no",
        )
    if rates.row_count:
        console.print()
        console.print(rates)
    if compared.row_count:
        console.print()
        console.print(compared)


def _shown(seen: dict[str, Any]) -> str:
    """The few things worth a glance, in one line."""
    return "  ".join(f"{name} {value}" for name, value in seen.items() if not _is_large(value))


def _is_large(value: Any) -> bool:
    return isinstance(value, dict | list)
