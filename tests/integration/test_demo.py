"""The demo city: founded, alive, audited, and ended in every way it can end."""

import asyncio
import json
import os
import shlex
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.integration import running
from tests.integration.running import switch

SMALL = ("--wallets", 40, "--senders", 8, "--workers", 2)


async def test_a_timed_demo_ends_with_right_books(tmp_path: Path) -> None:
    """It decides payments of every sort, ends by itself, and its books are right."""
    said = await switch("demo", "--seconds", 5, "--json", *SMALL, TMPDIR=str(tmp_path))
    assert said.code == 0, said
    assert said.err == ""
    summary = said.document
    assert summary["books"] == {"right": True, "deviations": []}
    assert summary["surprises"] == []
    assert summary["unanswered"] == 0
    assert summary["workers"] == 2
    assert summary["wallets"] == 40
    assert summary["decisions"] == sum(summary["outcomes"].values()) > 50
    assert {"approved", "payment_limit_exceeded", "not_permitted"} <= set(summary["outcomes"])
    assert summary["repeats"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert "pay" not in summary, "nobody is left to pay at"
    assert os.listdir(tmp_path) == [], "its temporary folder is gone"


async def test_a_demo_for_people() -> None:
    """Without --json the summary is two lines."""
    said = await switch("demo", "--seconds", 1, *SMALL)
    assert said.code == 0, said
    figures, books = said.out.splitlines()
    assert "payments decided" in figures
    assert books == "the books are right"


async def test_a_demo_keeps_serving(tmp_path: Path) -> None:
    """Without --seconds it goes on, the command that it prints pays, and Ctrl-C ends it cleanly."""
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
        assert len(members.document["participants"]) == 9
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), running.START_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err
    assert out == b""
    assert err == b"switch: the books are right\n"
    refused = await switch("demo", "--seconds", 1, "--data-dir", data_dir)
    assert refused.code == 1
    assert "new folder" in refused.complaint


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
