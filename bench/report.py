"""`python -m bench --report`: one page of everything that is kept, to be read without a network.

For each question the newest run that asked it: what it asks (the head of its own file), the figures
with their spread, plots, the machine and the command. The page is made from the results and holds
no figure of its own, so it is not kept itself.
"""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from inspect import cleandoc
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import (
    bank_routed,
    batches,
    curve,
    disbursement,
    floors,
    function,
    growth,
    holds,
    http_grid,
    http_one_merchant,
    http_uniform,
    ledger,
    memory,
    naive,
    outage,
    overload,
    parts,
    plot,
    storm,
    tpcb,
)
from bench.plot import Axes, Mark

Line = dict[str, Any]
PERCENTILES = ("p50_ms", "p95_ms", "p99_ms", "p999_ms")
STYLE = Path(__file__).with_name("report.css")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn of points: figures over one thing that was set, a plot for each other thing."""

    axes: Axes
    x: str  # of what was set
    y: tuple[str, ...]  # of what was seen; several are lines of their own
    series: str | None = None  # of what was set: a line for each value
    facets: tuple[str, ...] = ()  # likewise: a plot for each
    best_of: str | None = None  # likewise: only the best of its values counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One question of the page; a group is asked and shown together."""

    name: str
    module: ModuleType  # whose head says what is asked
    prefix: str = ""  # of the names of a group's questions
    charts: tuple[Chart, ...] = ()

    def asked_by(self, question: str) -> bool:
        """Whether figures under this name belong here."""
        return question == self.name or bool(self.prefix and question.startswith(self.prefix))


RATE_OVER_LOAD = Axes(x_name="load, % of capacity", y_name="payments a second")
MS_OVER_LOAD = Axes(x_name="load, % of capacity", y_name="ms", is_log_y=True)

SECTIONS = (
    Section(name="tpcb", module=tpcb),
    Section(name="floors", module=floors, prefix=floors.PREFIX),
    Section(name="naive", module=naive),
    Section(name="http", module=http_uniform),
    Section(name="http-one-merchant", module=http_one_merchant),
    Section(
        name=http_grid.NAME,
        module=http_grid,
        charts=(
            Chart(
                axes=Axes(x_name="connections", y_name="payments a second", is_log_x=True),
                x="connections",
                y=("per_second",),
                series="workers",
            ),
            Chart(
                axes=Axes(x_name="connections", y_name="ms", is_log_x=True, is_log_y=True),
                x="connections",
                y=PERCENTILES,
                facets=("workers",),
            ),
        ),
    ),
    Section(name="holds", module=holds),
    Section(name="bank-routed", module=bank_routed),
    Section(name="batches", module=batches, prefix=batches.PREFIX),
    Section(
        name=curve.NAME,
        module=curve,
        charts=(
            Chart(axes=MS_OVER_LOAD, x="load_percent", y=PERCENTILES),
            Chart(axes=RATE_OVER_LOAD, x="load_percent", y=("per_second",)),
        ),
    ),
    Section(name="function", module=function),
    Section(
        name=ledger.NAME,
        module=ledger,
        charts=(
            Chart(
                axes=Axes(
                    x_name="batch",
                    y_name="payments a second, best of all connections",
                    is_log_x=True,
                ),
                x="batch_size",
                y=("per_second",),
                series="hot_payee_percent",
                facets=("hot_payer_percent",),
                best_of="connections",
            ),
        ),
    ),
    Section(
        name=growth.NAME,
        module=growth,
        charts=(
            Chart(
                axes=Axes(x_name="payments stored", y_name="payments a second"),
                x="stored",
                y=("per_second",),
                series="ledger",
            ),
            Chart(
                axes=Axes(x_name="payments stored", y_name="bytes a payment"),
                x="stored",
                y=("total", "payment_rows", "payment_indexes", "key_claims"),
            ),
        ),
    ),
    Section(
        name=memory.NAME,
        module=memory,
        charts=(
            Chart(axes=Axes(x_name="payments", y_name="MiB"), x="payments", y=("largest_worker",)),
        ),
    ),
    Section(name=parts.NAME, module=parts),
    Section(name=disbursement.NAME, module=disbursement),
    Section(name=storm.NAME, module=storm),
    Section(name=outage.NAME, module=outage),
    Section(name=overload.NAME, module=overload),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One file of results."""

    machine: Line
    lines: tuple[Line, ...]


def write(results: Path, page: Path) -> int:
    """Make the page of all results in a folder; how many runs there are."""
    found = runs(results)
    page.write_text(render(found), encoding="utf-8")
    return len(found)


def runs(results: Path) -> list[Run]:
    """All runs that are kept, the newest first."""
    found = []
    for path in sorted(results.glob("*.jsonl"), reverse=True):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found.append(Run({"run": path.stem, **lines[0]["machine"]}, tuple(lines[1:])))
    return found


def render(found: Sequence[Run]) -> str:
    """The page."""
    links = " ".join(f'<a href="#{one.name}">{one.name}</a>' for one in SECTIONS)
    sections = "\n".join(_section(one, found) for one in SECTIONS)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>How fast</title><style>{STYLE.read_text(encoding='utf-8')}</style></head>\n"
        "<body><main><h1>How fast</h1><p>Medians over the rounds of one run, with the least and"
        " the most beside them. Only figures of the same run compare; ratios are formed within a"
        f" round.</p><nav>{links}</nav>\n{sections}\n</main></body></html>\n"
    )


def _section(section: Section, found: Sequence[Run]) -> str:
    head = f'<section id="{section.name}"><h2>{section.name}</h2>{_asks(section)}'
    run, lines = _newest(section, found)
    if run is None:
        command = _code(f"python -m bench --only {section.name}")
        return f"{head}<p>Not measured yet: {command}</p></section>"
    parts = [
        *_rates(lines),
        *(part for chart in section.charts for part in _chart(chart, lines)),
        *_points(lines),
        *_phases(lines),
        _ratios(section, run),
        _machine(section, run),
    ]
    return f"{head}{''.join(parts)}</section>"


def _newest(section: Section, found: Sequence[Run]) -> tuple[Run | None, list[Line]]:
    for run in found:
        lines = [line for line in run.lines if section.asked_by(line.get("question", ""))]
        if lines:
            return run, lines
    return None, []


def _asks(section: Section) -> str:
    """The head of the question's file: its first line is the question."""
    question, *rest = cleandoc(section.module.__doc__ or "").split("\n\n")
    said = "".join(
        f"<pre>{escape(one)}</pre>" if "   " in one else f"<p>{escape(one)}</p>" for one in rest
    )
    return f"<p><strong>{escape(question)}</strong></p>{said}"


def _rates(lines: Sequence[Line]) -> list[str]:
    """Questions that have one rate a round."""
    rates: dict[str, list[Line]] = {}
    for line in lines:
        if "round" in line and "per_second" in line and "at" not in line:
            rates.setdefault(line["question"], []).append(line)
    if not rates:
        return []
    rows = {
        name: {"a second": [line["per_second"] for line in some], **_seen(some)}
        for name, some in rates.items()
    }
    drawn = {name: figures["a second"] for name, figures in rows.items()}
    return [plot.dots(drawn, "a second"), _tables(rows)]


def _chart(chart: Chart, lines: Sequence[Line]) -> list[str]:
    """A plot for each combination of the facets."""
    return [
        (f"<h3>{escape(title)}</h3>" if title else "") + plot.lines(series, chart.axes)
        for title, series in drawn_series(chart, lines).items()
    ]


def drawn_series(chart: Chart, lines: Sequence[Line]) -> dict[str, dict[str, list[Mark]]]:
    """The marks of each line of each plot, by their names; every mark is over all rounds."""
    facets: dict[str, dict[str, dict[float, list[float]]]] = {}
    points = [_flat(line) for line in lines]
    for at, seen in _best(chart, [one for one in points if one and chart.y[0] in one[1]]):
        title = ", ".join(_set(at, key) for key in chart.facets)
        for name in chart.y:
            label = _spoken(name) if chart.series is None else _set(at, chart.series)
            series = facets.setdefault(title, {}).setdefault(label, {})
            series.setdefault(at[chart.x], []).append(seen[name])
    return {
        title: {
            name: [Mark(x, *_spread(values)) for x, values in sorted(points.items())]
            for name, points in names.items()
        }
        for title, names in facets.items()
    }


def _flat(line: Line) -> tuple[Line, Line] | None:
    """What was set and what was seen, wherever the line holds it."""
    if "at" in line:
        return {**line["at"], "round": line["round"]}, {
            **line["seen"],
            "per_second": line["per_second"],
        }
    if "mib" in line:
        return {"payments": line["payments"]}, {"largest_worker": max(line["mib"])}
    if "phase" in line and "stored" in line:
        return {"stored": line["stored"]}, line
    return None


def _best(chart: Chart, points: Sequence[tuple[Line, Line]]) -> Sequence[tuple[Line, Line]]:
    """All points, or the best of each that differ in `best_of` alone."""
    if chart.best_of is None:
        return points
    best: dict[tuple[Any, ...], tuple[Line, Line]] = {}
    for at, seen in points:
        key = tuple(value for name, value in at.items() if name != chart.best_of)
        if key not in best or best[key][1][chart.y[0]] < seen[chart.y[0]]:
            best[key] = (at, seen)
    return list(best.values())


def _points(lines: Sequence[Line]) -> list[str]:
    """Questions that were asked at many points."""
    points: dict[str, list[Line]] = {}
    for line in lines:
        if "at" in line:
            name = ", ".join(_set(line["at"], key) for key in line["at"])
            points.setdefault(name, []).append(line)
    rows = {
        name: {"a second": [line["per_second"] for line in some], **_seen(some)}
        for name, some in points.items()
    }
    return [_tables(rows)] if rows else []


def _phases(lines: Sequence[Line]) -> list[str]:
    """Questions that compare phases, or look at one thing as it grows."""
    phases: dict[str, list[Line]] = {}
    for line in lines:
        if "phase" in line:
            phases.setdefault(line["phase"], []).append({"seen": line})
    rows = {name: _seen(some, without={"pair", "stored"}) for name, some in phases.items()}
    drawn = {name: row["p99_ms"] for name, row in rows.items() if "p99_ms" in row}
    parts = [plot.dots(drawn, "p99, ms")] if drawn else []
    return [*parts, _tables(rows)] if rows else []


def _seen(lines: Sequence[Line], without: Iterable[str] = ()) -> dict[str, list[float]]:
    """Every number that was seen, by name."""
    found: dict[str, list[float]] = {}
    for line in lines:
        for name, value in line["seen"].items():
            if isinstance(value, int | float) and name not in without:
                found.setdefault(name, []).append(value)
    return found


def _tables(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """One table; a figure is its median, and the least and the most where they differ."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = "".join(f"<th>{escape(_spoken(name))}</th>" for name in columns)
    body = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f"<td>{_figure(row.get(column, ()))}</td>" for column in columns)
        + "</tr>"
        for name, row in rows.items()
    )
    return f'<div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _figure(values: Sequence[float]) -> str:
    if not values:
        return ""
    median, least, most = _spread(values)
    shown = plot.number(median)
    if least == most:
        return shown
    return f"{shown} <small>{plot.number(least)} to {plot.number(most)}</small>"


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(values), min(values), max(values)


def _ratios(section: Section, run: Run) -> str:
    """Ratios whose first half is this question."""
    rows = ""
    for line in run.lines:
        if section.asked_by(line.get("ratio", "").split(" ")[0].rstrip(":")):
            values = line.get("rounds") or line.get("pairs") or [line["median"]]
            wanted = f"{line.get('wanted', '')} {line.get('reached', '')}"
            rows += (
                f"<tr><th>{escape(line['ratio'])}</th><td>{_figure(values)}</td>"
                f"<td>{len(values)}</td><td>{escape(wanted)}</td></tr>"
            )
    if not rows:
        return ""
    head = "<tr><th>ratio</th><th>median</th><th>of</th><th>wanted, reached</th></tr>"
    return f'<div class="wide"><table>{head}{rows}</table></div>'


def _machine(section: Section, run: Run) -> str:
    machine = dict(run.machine)
    command = machine.pop("command", f"python -m bench --only {section.name}")
    short = (
        f"{machine.get('run')}: {machine.get('processors')} of {machine.get('processor')},"
        f" Postgres {machine.get('postgres')}, a durable write {machine.get('sync_us')} µs"
    )
    rows = "".join(
        f"<tr><th>{escape(_spoken(name))}</th><td>{escape(_plain(value))}</td></tr>"
        for name, value in machine.items()
    )
    return (
        f"<p>{_code(command)}</p><details><summary>{escape(short)}</summary>"
        f'<div class="wide"><table>{rows}</table></div></details>'
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _set(at: Line, key: str) -> str:
    """One thing that was set, in words."""
    return f"{_spoken(key)} {at[key]}"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
