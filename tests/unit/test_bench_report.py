"""The page of the benchmarks: every question has its section, and nothing comes from elsewhere."""

import json
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import __main__ as command
from bench import plot, report
from bench.plot import Axes, Mark

MACHINE = {
    "run": "R",
    "machine": {
        "processor": "Example <1> & Co", "processors": 2, "postgres": "18.6", "sync_us": 50.0,
        "packages": {"aiohttp": "3"}, "load": [0.1, 0.2], "command": "python -m bench --only x",
    },
}  # fmt: skip
RATES = (
    *("tpcb", "floor-verify", "naive", "http", "http-one-merchant", "batches-100", "holds"),
    *("bank-routed", "function"),
)
VOID = {"meta", "br"}


def example() -> list[dict[str, Any]]:
    """A few lines of every kind that is kept."""
    lines: list[dict[str, Any]] = [MACHINE]
    for round_no, rate in ((1, 1_000.0), (2, 1_300.0), (3, 1_100.0)):
        lines += [
            {"question": name, "round": round_no, "per_second": rate, "seen": {"p50_ms": 2.5}}
            for name in RATES
        ]
        seen = {f"{share}_ms": 4.0 * round_no for share in ("p50", "p95", "p99", "p999")}
        lines += [
            {"question": "curve", "round": round_no, "at": {"load_percent": load}, "seen": seen,
             "per_second": rate}
            for load in (10, 50)
        ]  # fmt: skip
        lines += points("http-grid", round_no, rate, {"connections": (1, 16), "workers": (1, 2)})
        hot = {"hot_payee_percent": (0, 100), "hot_payer_percent": (0, 10)}
        lines += points(
            "ledger", round_no, rate, {"batch_size": (1, 256), **hot, "connections": (1, 2)}
        )
        lines += points("growth", round_no, rate, {"stored": (0, 9), "ledger": (1, 2)})
    lines.append({"question": "growth", "stored": 9, "payments": 12, "tables": {"payment": {}}})
    lines += [
        {"question": "growth", "phase": "bytes a payment, up to 9", "stored": 9, "total": 700.5,
         "payment_rows": 200.0, "payment_indexes": 300.0, "key_claims": 200.5},
        {"question": "growth", "phase": "key_claim", "total": 120.0},
    ]  # fmt: skip
    lines.append({"ratio": "http ÷ tpcb", "median": 0.9, "rounds": [0.8, 0.9, 1.0]})
    own = {"ratio": "http-grid: the switch's own share", "median": 0.3, "pairs": [0.3]}
    lines.append({**own, "wanted": "≤ 0.35", "reached": "yes"})
    lines += [{"question": "memory", "payments": count, "mib": [50.0, 51.0]} for count in (0, 9)]
    for name in ("storm", "outage", "overload", "parts", "disbursement"):
        lines.append({"question": name, "phase": "quiet", "pair": 1, "p99_ms": 9.5})
        ratio = {"ratio": f"{name} x ÷ quiet: p99", "median": 2.0, "pairs": [2.0]}
        lines.append({**ratio, "wanted": "≤ 3", "reached": "by the median alone"})
    return lines


def points(
    name: str, round_no: int, rate: float, sides: dict[str, tuple[int, ...]]
) -> list[dict[str, Any]]:
    """A line for every combination; the rate is higher where more was set."""
    shares = ("p50_ms", "p95_ms", "p99_ms", "p999_ms")
    return [
        {
            "question": name,
            "round": round_no,
            "at": dict(zip(sides, values, strict=True)),
            "per_second": rate * sum(values),
            "seen": {share: rate / sum(values) for share in shares},
        }
        for values in product(*sides.values())
    ]


def page_of(folder: Path, lines: list[dict[str, Any]]) -> str:
    """The page that the command makes of these lines."""
    results = folder / "results"
    results.mkdir()
    text = "\n".join(json.dumps(line) for line in lines)
    (results / "2026-11-01T000000Z.jsonl").write_text(text, encoding="utf-8")
    report.write(results, folder / "page.html")
    return (folder / "page.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a page holds; elements must be closed in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: dict[str, str] = {}
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self._section = ""
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """As the parser calls it."""
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
            self.sections[self._section] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """As the parser calls it."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        """As the parser calls it."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """As the parser calls it."""
        if self._section:
            self.sections[self._section] += data


def test_every_question_has_its_section(tmp_path: Path) -> None:
    """With what it asks, its figures and their spread, a machine and a command; none is left."""
    page = Page(page_of(tmp_path, example()))
    grouped = {one.name for questions in command.GROUPS.values() for one in questions}
    names = [name for name in command.NAMES if name not in grouped]
    assert sorted(page.sections) == sorted(names)
    for name, text in page.sections.items():
        assert "Example <1> & Co" in text, name
        assert "python -m bench --only x" in text, name
        assert "?" in text or ":" in text, name
    assert "1,100 1,000 to 1,300" in page.sections["http"]
    assert "http ÷ tpcb" in page.sections["http"]
    assert "≤ 3 by the median alone" in page.sections["storm"]
    assert "≤ 0.35 yes" in page.sections["http-grid"]
    assert "floor-verify" in page.sections["floors"]
    assert "key_claim120" in page.sections["growth"]


def test_a_question_that_was_not_asked_says_how_to_ask_it(tmp_path: Path) -> None:
    """Its section is there all the same."""
    page = Page(page_of(tmp_path, [MACHINE]))
    assert "Not measured yet: python -m bench --only curve" in page.sections["curve"]


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    """No script, no reference out of the page, in its attributes or its style."""
    text = page_of(tmp_path, example())
    page = Page(text)
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "use"}
    for name, value in page.attributes:
        assert not name.startswith("on"), name
        assert name != "src"
        assert name != "href" or (value or "").startswith("#")
    assert not re.search(r"@import|url\(|//[a-z]", text)


def test_the_page_is_for_light_and_dark_and_for_phones(tmp_path: Path) -> None:
    """Both colour schemes in its style, and as wide as the screen."""
    text = page_of(tmp_path, example())
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


def test_every_plot_is_well_formed(tmp_path: Path) -> None:
    """Each parses as XML by itself; the curve has a line for each percentile."""
    text = page_of(tmp_path, example())
    drawn = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314
    assert len(drawn) >= len(RATES)
    latency = next(one for one in drawn if one.get("aria-label") == "ms over load, % of capacity")
    assert len(latency.findall("polyline")) == 4


def test_the_best_counts_where_only_the_best_is_asked_for() -> None:
    """Of points that differ in the number of connections alone, the fastest of each round."""
    (section,) = (one for one in report.SECTIONS if one.name == "ledger")
    (chart,) = section.charts
    sides = {
        "batch_size": (1,), "hot_payee_percent": (0,), "hot_payer_percent": (0, 10),
        "connections": (1, 4),
    }  # fmt: skip
    plain, hot = report.drawn_series(chart, points("ledger", 1, 10.0, sides)).values()
    assert plain == {"hot payee percent 0": [Mark(1, 50.0, 50.0, 50.0)]}
    assert hot == {"hot payee percent 0": [Mark(1, 150.0, 150.0, 150.0)]}


def test_a_plot_takes_the_points_that_have_its_figures() -> None:
    """Of a question that keeps rates and sizes, each of its two plots shows one of them."""
    (section,) = (one for one in report.SECTIONS if one.name == "growth")
    rates, sizes = section.charts
    lines = [line for line in example() if line.get("question") == "growth"]
    (drawn,) = report.drawn_series(rates, lines).values()
    assert list(drawn) == ["ledger 1", "ledger 2"]
    assert [mark.x for mark in drawn["ledger 1"]] == [0, 9]
    (drawn,) = report.drawn_series(sizes, lines).values()
    assert list(drawn) == ["total", "payment rows", "payment indexes", "key claims"]
    assert drawn["total"] == [Mark(9, 700.5, 700.5, 700.5)]


@pytest.mark.parametrize("is_log", [False, True])
def test_marks_lie_within_the_plot(is_log: bool) -> None:
    """In their order: more is higher, later is further right; one point alone is drawn too."""
    axes = Axes(x_name="n", y_name="ms", is_log_x=is_log, is_log_y=is_log)
    marks = [Mark(1, 2, 1, 3), Mark(4, 20, 10, 30), Mark(256, 200, 100, 300)]
    for some in (marks, marks[:1]):
        svg = plot.lines({"a < b": some}, axes).partition("<ul")[0]
        circles = ElementTree.fromstring(svg).findall("circle")  # noqa: S314
        places = [(float(one.get("cx", "")), float(one.get("cy", ""))) for one in circles]
        assert places == sorted(places, key=lambda place: (place[0], -place[1]))
        assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
        assert all(0 <= x <= plot.WIDTH and 0 <= y <= plot.LINES_HEIGHT for x, y in places)
