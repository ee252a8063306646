"""The benchmarks run, believe nothing they cannot account for, and say what they miss."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import growth, wrk
from bench.harness import Measurement, Ratio, Results
from bench.memory import Sample, growth_mib
from bench.stage import BenchError
from tests.conftest import missing
from tests.tidy.tree import ROOT

RUN_S_MAX = 600

PARTS = set(growth.parts({})) - {"total"}

Line = dict[str, Any]


def run_bench(folder: Path, *arguments: str) -> list[Line]:
    """The lines that were kept of a small run, which ends well and with right books."""
    small = ("--quick", "--seconds", "1", "--wallets", "200", "--merchants", "10")
    kept = folder / "results"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "bench", *small, *arguments),
            *("--under", str(folder), "--results", str(kept)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "the books are right" in ran.stderr
    (file,) = kept.iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]


def ratios(lines: list[Line], name: str) -> list[tuple[str, str, int]]:
    """Name, what is wanted and the number of pairs of each ratio of pairs that begins so."""
    found = [line for line in lines if line.get("ratio", "").startswith(name)]
    return [(line["ratio"], line["wanted"], len(line["pairs"])) for line in found]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What a run keeps of questions that are asked over HTTP."""
    if shutil.which("wrk") is None:
        missing("wrk")
    return asked(tmp_path_factory.mktemp("bench"), "http", "tpcb", "storm")


@pytest.fixture(scope="module")
def more_lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """And of what happens under load."""
    if shutil.which("wrk") is None:
        missing("wrk")
    return asked(tmp_path_factory.mktemp("bench"), "outage", "overload")


def asked(folder: Path, *names: str) -> list[Line]:
    """What a run of one round keeps of these questions."""
    only = [argument for name in names for argument in ("--only", name)]
    return run_bench(folder, *only, "--rounds", "1")


def test_payments_over_http_are_measured_and_accounted_for(lines: list[Line]) -> None:
    """One line for each figure, and one for their ratio."""
    assert "processor" in lines[0]["machine"]
    assert [line["question"] for line in lines if "round" in line] == ["tpcb", "http"]
    assert [line["ratio"] for line in lines if "ratio" in line][-1:] == ["http ÷ tpcb"]


def test_a_storm_of_look_ups_is_measured_in_pairs_and_accounted_for(lines: list[Line]) -> None:
    """Each storm beside a quiet phase, every payment in the ledger, and what a look-up costs."""
    phases = [line for line in lines if line.get("question") == "storm"]
    turns = [line["phase"] for line in phases if "pair" in line]
    assert turns == ["quiet", "within", "quiet", "over"]
    assert all(line["reads_asked"] > 0 for line in phases if line["phase"] in ("within", "over"))
    costs = {line["phase"]: line for line in phases if line["phase"].startswith("a look-up")}
    assert costs["a look-up served"]["worker_us"] > 0
    assert costs["a look-up refused"]["asked"] == 5 * costs["a look-up served"]["asked"]
    assert ratios(lines, "storm") == [
        ("storm within ÷ quiet: payments", "≥ 0.85", 1),
        ("storm within ÷ quiet: p99", "≤ 1.15", 1),
        ("storm over ÷ quiet: payments", "≥ 0.65", 1),
        ("storm over ÷ quiet: p99", "≤ 3", 1),
    ]


@pytest.mark.long
def test_a_bank_that_hangs_is_measured_beside_all_others(more_lines: list[Line]) -> None:
    """The bank was asked, answered nothing, and nothing waits for it when the books are checked."""
    phases = [line for line in more_lines if line.get("question") == "outage" and "pair" in line]
    assert [line["phase"] for line in phases] == ["sound", "hanging"]
    sound, hanging = phases
    assert sound["bank_asked"] == 0
    assert sound["beside"].keys() == {"201"}
    assert hanging["bank_asked"] > 0
    assert "202" in hanging["beside"]
    assert ratios(more_lines, "outage") == [
        ("outage hanging ÷ sound: payments", "≥ 0.9", 1),
        ("outage hanging ÷ sound: p99", "≤ 1.1", 1),
    ]


@pytest.mark.long
def test_an_overload_is_measured_and_accounted_for(more_lines: list[Line]) -> None:
    """Of everybody, and of one beside another; what both were answered."""
    phases = [line for line in more_lines if line.get("question") == "overload"]
    assert [line["phase"] for line in phases] == ["capacity", "twice", "flood"]
    _, twice, flood = phases
    assert twice["answers"]["payments"]["201"] > 0
    assert flood["answers"].keys() == {"payments", "beside"}
    assert 0 < flood["served"] <= 1
    assert ratios(more_lines, "overload") == [
        ("overload: goodput ÷ capacity", "≥ 0.65", 1),
        ("overload: p99 of the accepted in ms", "≤ 250", 1),
        ("overload: served of who does not flood", "≥ 0.99", 1),
    ]


def test_rates_are_measured_in_turn(tmp_path: Path) -> None:
    """Every second round the other way round, so that a drift of the machine meets all alike."""
    asked = ("--only", "function", "--only", "tpcb", "--rounds", "2")
    lines = run_bench(tmp_path, *asked)
    assert [(line["round"], line["question"]) for line in lines if "round" in line] == [
        *((1, "tpcb"), (1, "function")),
        *((2, "function"), (2, "tpcb")),
    ]


def test_a_bank_that_decides_and_a_ledger_that_grows_are_measured(tmp_path: Path) -> None:
    """Payments by the bank's yes; each size beside an empty ledger, and all that it takes."""
    if shutil.which("wrk") is None:
        missing("wrk")
    lines = run_bench(tmp_path, "--only", "bank-routed", "--only", "growth", "--rounds", "1")
    (routed,) = (line["seen"] for line in lines if line.get("question") == "bank-routed")
    assert routed["approved"] > 0
    assert routed["banks_us"] > 0
    found = [line for line in lines if line.get("question") == "growth"]
    turns = [line["at"]["ledger"] for line in found if "at" in line]
    assert turns == ["grown", "empty", "grown", "empty"], "at each of two sizes"
    assert [line["stored"] for line in found if "tables" in line] == [0, 2_000]
    (whole,) = (line for line in found if "phase" in line and "stored" in line)
    assert whole["payments"] == 2_048, "full batches on each connection"
    split = [value for name, value in whole.items() if name in PARTS]
    assert whole["total"] == pytest.approx(sum(split), abs=1)
    each = {line["phase"]: line["total"] for line in found if "phase" in line and line != whole}
    assert sum(each.values()) == pytest.approx(whole["total"], abs=3)
    assert each["payment"] == whole["payment_rows"]
    assert ratios(lines, "growth") == [
        ("growth at 0 ÷ empty: payments", "≥ 0.85", 1),
        ("growth at 2,000 ÷ empty: payments", "≥ 0.85", 1),
        ("growth: bytes a payment", "≤ 800", 1),
    ]


def test_a_missing_tool_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without wrk the run does not begin."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchError, match="apt-get install wrk"):
        wrk.check_installed()


def test_ratios_compare_figures_of_the_same_round_only() -> None:
    """A round that has one of the two figures gives no ratio."""
    results = Results(None, {})
    for question, round_no, rate in (("a", 1, 30.0), ("b", 1, 10.0), ("a", 2, 50.0)):
        results.add(question, round_no, Measurement(per_second=rate, seen={}))
    assert results.ratios(Ratio(of="a", to="b", wanted_min=1.0)) == [3.0]


def test_growth_of_memory_is_counted_from_the_first_tenth() -> None:
    """What a worker takes for its caches at the start is no growth; what it adds later is."""
    sizes = {0: 50.0, 100: 60.0, 500: 61.0, 1000: 63.5}
    samples = [Sample(payments=count, mib=(50.0, mib)) for count, mib in sizes.items()]
    assert growth_mib(samples) == 3.5
