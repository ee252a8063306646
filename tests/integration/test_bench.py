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
