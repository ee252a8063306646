"""Load and audit: a short run ends well, and the audit finds what it must find."""

import json
import subprocess
import sys
from pathlib import Path

from loadtests.audit import audit
from switch.admin import Operator, connected
from switch.ledger import new_id
from tests.databases import Database
from tests.tidy.tree import ROOT

RUN_S_MAX = 300
RUN = "test"


def run_load(*arguments: str) -> subprocess.CompletedProcess[str]:
    small = ("--users", "8", "--spawn-rate", "8", "--duration", "2", "--wallets", "20")
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *small, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


def test_a_short_load_ends_with_a_clean_audit() -> None:
    """Wallets pay, every answer verifies, and the ledger holds what was answered."""
    ran = run_load("--p95-ms", "60000")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "every answer is what the ledger holds, and the books are right" in ran.stdout


def test_a_missed_threshold_decides_the_exit_code() -> None:
    """Answers that are right and too slow fail the run, and the audit is still made."""
    ran = run_load("--p95-ms", "0.001")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "thresholds: missed" in ran.stdout
    assert "every answer is what the ledger holds" in ran.stdout


async def test_the_audit_finds_an_answer_that_the_ledger_does_not_hold(
    database: Database, tmp_path: Path
) -> None:
    """An acknowledged payment that is lost is named by its key."""
    body = json.dumps({"id": str(new_id(0))})
    async with connected(database.url()) as operator:
        found = await audit_of(operator, tmp_path, {"answered": "load-test-1", "body": body})
    assert any("load-test-1 was answered and is not in the ledger" in text for text in found)


async def test_the_audit_finds_an_answer_that_differs(database: Database, tmp_path: Path) -> None:
    """One changed byte of an acknowledged answer is found."""
    async with connected(database.url()) as operator:
        await operator.add_participant("bank", kind="bank")
        account = await operator.open_account(
            participant="bank", kind="position", currency="CNY", floor=0
        )
        payment = await operator.issue(account, 1_00, reason="test")
        body = json.dumps({"id": str(payment), "amount": 1_01})
        found = await audit_of(operator, tmp_path, {"answered": "load-test-1", "body": body})
    assert any("the ledger says" in text for text in found)


async def audit_of(operator: Operator, folder: Path, *lines: dict[str, str]) -> list[str]:
    record = folder / "record.jsonl"
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return (await audit(operator, record, RUN)).findings
