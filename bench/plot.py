"""Plots as SVG: dots of every round beside their median, and lines over what was set.

Made to stand inside a page: colours and text are the page's, so light and dark are its matter, and
each mark has a title that is shown where the pointer rests. No file, no script, no font of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 480
LEFT, RIGHT, TOP, BOTTOM = 58, 26, 10, 40
LINES_HEIGHT = 260
ROW_HEIGHT = 34
TICKS = 5
LOG_MIN = 1e-3
SHAPES = 4  # kinds of lines that can be told apart


@dataclass(frozen=True, slots=True)
class Mark:
    """What was seen at one point: the median, and the least and the most beside it."""

    x: float
    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What a plot of lines shows along its sides."""

    x_name: str
    y_name: str
    is_log_x: bool = False
    is_log_y: bool = False


def number(value: float) -> str:
    """Three digits that count, with separators."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def dots(rows: Mapping[str, Sequence[float]], unit: str) -> str:
    """One row for each name: a dot for each figure, a bar at their median; from zero on."""
    most = max(value for values in rows.values() for value in values) or 1.0
    ticks = _ticks(0.0, most)
    top = max(ticks[-1], most)
    height = TOP + ROW_HEIGHT * len(rows) + BOTTOM
    scale = (WIDTH - 2 * RIGHT) / top
    parts = []
    for tick in ticks:
        x = RIGHT + tick * scale
        parts.append(_line(x, TOP, x, height - BOTTOM, "grid"))
        parts.append(_text(x, height - BOTTOM + 16, number(tick), "middle"))
    for place, (name, values) in enumerate(rows.items()):
        y = TOP + ROW_HEIGHT * place + 24
        median = sorted(values)[len(values) // 2]
        parts.append(_text(RIGHT, y - 10, name, "start"))
        for value in values:
            title = f"<title>{escape(name)}: {number(value)} {escape(unit)}</title>"
            x = RIGHT + value * scale
            parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y}" r="4">{title}</circle>')
        x = RIGHT + median * scale
        parts.append(_line(x, y - 8, x, y + 8, "median"))
    parts.append(_text(WIDTH / 2, height - 6, unit, "middle"))
    return _svg(height, f"dots of {unit}", parts)


def lines(series: Mapping[str, Sequence[Mark]], axes: Axes) -> str:
    """One line for each name, with the spread of the rounds at each point, and a legend."""
    marks = [mark for line in series.values() for mark in line]
    x_of = Scale(sorted({mark.x for mark in marks}), LEFT, WIDTH - RIGHT, axes.is_log_x)
    low = min(mark.least for mark in marks) if axes.is_log_y else 0.0
    top = max(mark.most for mark in marks)
    y_ticks = _decades(low, top) if axes.is_log_y else _ticks(0.0, top)
    bottom = LINES_HEIGHT - BOTTOM
    y_of = Scale([*y_ticks, top], bottom, TOP, axes.is_log_y)
    parts = []
    for tick in y_ticks:
        parts.append(_line(LEFT, y_of(tick), WIDTH - RIGHT, y_of(tick), "grid"))
        parts.append(_text(LEFT - 6, y_of(tick) + 4, number(tick), "end"))
    parts += [
        _text(x_of(tick), bottom + 16, number(tick), "middle")
        for tick in _thinned(sorted({mark.x for mark in marks}))
    ]
    for place, (name, line) in enumerate(series.items()):
        kind = f"s{place % SHAPES}"
        points = " ".join(f"{x_of(mark.x):.1f},{y_of(mark.median):.1f}" for mark in line)
        parts.append(f'<polyline class="{kind}" points="{points}"/>')
        for mark in line:
            x = x_of(mark.x)
            parts.append(_line(x, y_of(mark.least), x, y_of(mark.most), f"{kind} spread"))
            title = (
                f"<title>{escape(name)} at {number(mark.x)}: {number(mark.median)}"
                f" ({number(mark.least)} to {number(mark.most)})</title>"
            )
            at = f'cx="{x:.1f}" cy="{y_of(mark.median):.1f}"'
            parts.append(f'<circle class="{kind} mark" {at} r="4">{title}</circle>')
    parts.append(_text((LEFT + WIDTH) / 2, LINES_HEIGHT - 6, axes.x_name, "middle"))
    return _svg(LINES_HEIGHT, f"{axes.y_name} over {axes.x_name}", parts) + _legend(series, axes)


def _legend(series: Mapping[str, Sequence[Mark]], axes: Axes) -> str:
    keys = "".join(
        f'<li><svg viewBox="0 0 28 10" width="28" height="10" aria-hidden="true">'
        f'<polyline class="s{place % SHAPES}" points="0,5 28,5"/></svg> {escape(name)}</li>'
        for place, name in enumerate(series)
    )
    return f'<ul class="legend"><li>{escape(axes.y_name)}:</li>{keys}</ul>'


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    inside = "".join(parts)
    head = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}"'
    return f"<svg {head}>{inside}</svg>"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


class Scale:
    """Where a value lies between two edges."""

    def __init__(self, values: Sequence[float], begin: float, end: float, is_log: bool) -> None:
        self._of = _log if is_log else float
        self._low, self._high = self._of(min(values)), self._of(max(values))
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        width = self._high - self._low
        share = (self._of(value) - self._low) / width if width else 0.5
        return self._begin + share * (self._end - self._begin)


def _log(value: float) -> float:
    """Of what is measured in milliseconds and rates, nothing is smaller than this."""
    return math.log(max(value, LOG_MIN))


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to at least `high`: steps of 1, 2 or 5."""
    raw = (high - low) / TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [low + step * place for place in range(math.ceil((high - low) / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten around both."""
    first = math.floor(math.log10(max(low, LOG_MIN)))
    last = math.ceil(math.log10(max(high, LOG_MIN)))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def _thinned(values: Sequence[float]) -> Sequence[float]:
    """At most so many that their numbers do not touch, the last one among them."""
    step = -(-len(values) // 8)
    return values[::-1][::step]
