"""The benchmarks run, believe nothing they cannot account for, and say what they miss."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import wrk
from bench.harness import Measurement, Ratio, Results
from bench.memory import Sample, growth_mib
from bench.stage import BenchError
from tests.conftest import missing
from tests.tidy.tree import ROOT

RUN_S_MAX = 300


def run_bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    small = ("--quick", "--seconds", "1", "--wallets", "200", "--merchants", "10")
    return subprocess.run(
        [sys.executable, "-m", "bench", *small, "--under", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


def test_payments_over_http_are_measured_and_accounted_for(tmp_path: Path) -> None:
    """A short run ends well, with right books and one line for each figure."""
    if shutil.which("wrk") is None:
        missing("wrk")
    kept = tmp_path / "results"
    ran = run_bench(tmp_path, "--only", "http", "--only", "tpcb", "--results", str(kept))
    assert ran.returncode == 0, ran.stderr
    assert "the books are right" in ran.stderr
    (file,) = kept.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert "processor" in lines[0]["machine"]
    assert {line["question"] for line in lines if "question" in line} == {"http", "tpcb"}
    assert [line["ratio"] for line in lines if "ratio" in line] == ["http ÷ tpcb"]


def test_the_deciding_function_is_measured_without_wrk(tmp_path: Path) -> None:
    """What needs no other tool runs on a bare machine."""
    ran = run_bench(tmp_path, "--only", "function")
    assert ran.returncode == 0, ran.stderr
    assert "the books are right" in ran.stderr


def test_a_storm_of_look_ups_is_measured_in_pairs_and_accounted_for(tmp_path: Path) -> None:
    """Each storm beside a quiet phase, every payment in the ledger, and what a look-up costs."""
    if shutil.which("wrk") is None:
        missing("wrk")
    kept = tmp_path / "results"
    ran = run_bench(tmp_path, "--only", "storm", "--results", str(kept))
    assert ran.returncode == 0, ran.stderr
    assert "the books are right" in ran.stderr
    (file,) = kept.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    phases = [line for line in lines if line.get("question") == "storm"]
    turns = [line["phase"] for line in phases if "pair" in line]
    assert turns == ["quiet", "within", "quiet", "over"]
    assert all(line["reads_asked"] > 0 for line in phases if line["phase"] in ("within", "over"))
    costs = {line["phase"]: line for line in phases if line["phase"].startswith("a look-up")}
    assert costs["a look-up served"]["worker_us"] > 0
    assert costs["a look-up refused"]["asked"] == 5 * costs["a look-up served"]["asked"]
    ratios = [line for line in lines if "ratio" in line]
    assert [(line["ratio"], line["wanted"], len(line["pairs"])) for line in ratios] == [
        ("storm within ÷ quiet: payments", "≥ 0.85", 1),
        ("storm within ÷ quiet: p99", "≤ 1.15", 1),
        ("storm over ÷ quiet: payments", "≥ 0.65", 1),
        ("storm over ÷ quiet: p99", "≤ 3", 1),
    ]


def test_a_bank_that_hangs_is_measured_beside_all_others(tmp_path: Path) -> None:
    """The bank was asked, answered nothing, and nothing waits for it when the books are checked."""
    if shutil.which("wrk") is None:
        missing("wrk")
    kept = tmp_path / "results"
    ran = run_bench(tmp_path, "--only", "outage", "--results", str(kept))
    assert ran.returncode == 0, ran.stderr
    assert "the books are right" in ran.stderr
    (file,) = kept.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    phases = [line for line in lines if line.get("question") == "outage" and "pair" in line]
    assert [line["phase"] for line in phases] == ["alone", "beside"]
    alone, beside = phases
    assert "bank_asked" not in alone
    assert beside["bank_asked"] > 0
    assert beside["bank_paid"] > 0
    assert "200" not in beside["bank_answers"]
    ratios = [(line["ratio"], line["wanted"]) for line in lines if "ratio" in line]
    assert ratios == [
        ("outage beside ÷ alone: payments", "≥ 0.9"),
        ("outage beside ÷ alone: p99", "≤ 1.1"),
    ]


def test_rates_are_measured_in_turn(tmp_path: Path) -> None:
    """Every second round the other way round, so that a drift of the machine meets all alike."""
    kept = tmp_path / "results"
    asked = ("--only", "function", "--only", "tpcb", "--rounds", "2", "--results", str(kept))
    ran = run_bench(tmp_path, *asked)
    assert ran.returncode == 0, ran.stderr
    (file,) = kept.iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["round"], line["question"]) for line in lines if "round" in line] == [
        *((1, "tpcb"), (1, "function")),
        *((2, "function"), (2, "tpcb")),
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
