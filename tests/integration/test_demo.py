"""The demo city: founded, alive, audited, and ended in every way it can end."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from pathlib import Path

from switch.services import SERVICES
from switch.simulate.journal import read_lines
from tests.integration import running
from tests.integration.running import switch
from tests.tidy.tree import ROOT

SCENES = {
    "commute": {"mandates", "transit"},
    "lunch": {"codes", "purposes"},
    "parking": {"mandates", "parking"},
    "school fees": {"bills"},
    "welfare": {"disbursements"},
    "festival": {"coupons"},
}
SMALL = ("--wallets", 40, "--senders", 8, "--workers", 2)


def _fate(scene: str) -> str:
    """What has to become of a scene: it needs services, and any of them may be missing."""
    return "done" if SCENES[scene] <= {service.name for service in SERVICES} else "left out"


async def test_a_timed_demo_ends_with_right_books(tmp_path: Path) -> None:
    """It decides payments of every sort, ends by itself, and its books are right."""
    said = await switch("demo", "--seconds", 5, "--json", *SMALL, TMPDIR=str(tmp_path))
    assert said.code == 0, said
    assert said.err == ""
    summary = said.document
    assert summary["books"] == {"right": True, "deviations": []}
    assert summary["bank_book"]["differences"] == []
    assert summary["bank_book"]["waiting"] == 0
    assert summary["bank_book"]["compared"] > 0
    assert summary["surprises"] == []
    played = {one["scene"]: one["status"] for one in summary["day"]}
    assert played == {scene: _fate(scene) for scene in SCENES}, summary["day"]
    left = summary["balances_by_purpose"]
    assert left["own money"] > 0
    for scene, name, amount in (
        ("festival", "left for discounts", 0),
        ("lunch", "left for meals", 6 * 12_00),
        ("school fees", "school fees", 12 * 480_00),
    ):
        assert name not in left if _fate(scene) == "left out" else left[name] == amount
    assert summary["unanswered"] == 0
    assert summary["workers"] == 2
    assert summary["wallets"] == 40
    assert summary["decisions"] == sum(summary["outcomes"].values()) > 50
    assert {"approved", "payment_limit_exceeded", "not_permitted"} <= set(summary["outcomes"])
    assert summary["repeats"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert "pay" not in summary, "nobody is left to pay at"
    assert os.listdir(tmp_path) == [], "its temporary folder is gone"


async def test_the_bank_of_a_demo_decides_itself(tmp_path: Path) -> None:
    """What its book says of its customers' payments is what the city's senders were answered."""
    said = await switch("demo", "--seconds", 3, "--json", *SMALL, "--data-dir", tmp_path / "city")
    assert said.code == 0, said
    outcomes = said.document["outcomes"]
    decisions = Counter(
        (line.what, line.decision) for line in read_lines(tmp_path / "city" / "bank-of-jimo.log")
    )
    assert decisions["authorization", "approved"] > 0
    assert decisions["credit", "accepted"] > 0
    declined, late = outcomes.get("issuer_declined", 0), outcomes.get("pending", 0)
    assert declined <= decisions["authorization", "declined"] <= declined + late


async def test_a_demo_for_people() -> None:
    """Without --json the summary is a line a scene, and three."""
    said = await switch("demo", "--seconds", 1, *SMALL)
    assert said.code == 0, said
    *scenes, left, figures, books = said.out.splitlines()
    assert [line.split("  ")[1][2:].partition(":")[0] for line in scenes] == list(SCENES)
    assert left.startswith("in the end, CNY: ")
    assert "payments decided" in figures
    assert books.startswith("the books are right, and bank-of-jimo has the same ")


async def test_a_demo_keeps_serving(tmp_path: Path) -> None:
    """It goes on: the command that it prints pays, a load test may use it, Ctrl-C ends it."""
    data_dir = tmp_path / "city"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "switch", "demo", "--json", *map(str, SMALL)),
        *("--data-dir", str(data_dir)),
        stdout=PIPE,
        stderr=PIPE,
        env=running.environment(),
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), running.START_S_MAX)
        summary = json.loads(line)
        pay = shlex.split(summary["pay"])
        arguments = pay[pay.index("pay") :]
        said = await switch(*arguments, "--json")
        assert said.code == 0, said
        assert said.document["status"] == "completed"
        members = await switch("participant", "list", "--json", "--data-dir", data_dir)
        assert len(members.document["participants"]) == 14
        loaded = await load_test(
            *("--city", data_dir, "--url", summary["url"], "--report", tmp_path / "report")
        )
        assert loaded == 0
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), running.START_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err
    assert out == b""
    assert re.fullmatch(rb"switch: the books are right, and .* payments in its own\n", err), err
    refused = await switch("demo", "--seconds", 1, "--data-dir", data_dir)
    assert refused.code == 1
    assert "new folder" in refused.complaint


async def load_test(*arguments: object) -> int:
    """A short load of few users on a city that runs; the exit code, after its audit."""
    small = ("--users", 4, "--spawn-rate", 4, "--duration", 1, "--p95-ms", 60_000)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests", *map(str, (*small, *arguments))),
        cwd=ROOT,
        stdout=sys.stderr,
        env=running.environment(),
    )
    try:
        return await asyncio.wait_for(process.wait(), running.START_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()


async def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    """A signal while the city is being founded ends everything, the database included."""
    data_dir = tmp_path / "city"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "switch", "demo", "--wallets", "100000"),
        *("--data-dir", str(data_dir)),
        stdout=PIPE,
        stderr=PIPE,
        env=running.environment(),
    )
    try:
        participants = data_dir / "participants" / "tax-office.pem"
        await running.until(participants.exists, "the city is being founded")
        children = running.children(process.pid)
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), running.START_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 1, err
    assert b"Traceback" not in err
    assert not any(map(running.is_running, children))
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
