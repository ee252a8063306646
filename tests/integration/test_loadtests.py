"""Load and audit: a short run ends well, and the audit finds what it must find."""

import asyncio
import json
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
from yarl import URL

from loadtests.audit import audit
from loadtests.record import read_record
from loadtests.scenarios import SCENARIOS
from switch.admin import Operator, connected
from switch.ledger import new_id
from switch.queries import QUERIES
from tests.databases import Database
from tests.integration.running import children, environment, is_running, until
from tests.tidy.tree import ROOT

RUN_S_MAX = 300
RUN = "test"
SMALL = ("--users", "8", "--spawn-rate", "8", "--duration", "2", "--wallets", "20")
LOOPBACK = f"{int.from_bytes(bytes((127, 0, 0, 1)), sys.byteorder):08X}"  # as /proc/net has it
LISTENS = "0A"


def run_load(*arguments: str, small: tuple[str, ...] = SMALL) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *small, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
        check=False,
    )


def test_every_scenario_ends_with_a_clean_audit(tmp_path: Path) -> None:
    """Whatever happens meanwhile, the ledger holds what was answered; each leaves its report.

    A bank hangs, a worker and Postgres are killed, batches and look-ups are refused; nothing is in
    doubt in the end.
    """
    ran = run_load(
        *("--scenario", "all", "--duration", "2", "--spawn-rate", "100", "--reads-per-s", "2"),
        *("--p95-ms", "60000", "--report", str(tmp_path)),
        small=("--wallets", "20"),
    )
    told = ran.stdout + ran.stderr
    # A machine that is busy with something else may send too little for anything to be refused.
    missed = [line for line in told.splitlines() if line.startswith("threshold missed")]
    assert all(line.startswith("threshold missed: there was no ") for line in missed), told
    assert ran.returncode == bool(missed), told
    right = "every answer is what the ledger holds, and the books are right"
    assert ran.stdout.count(right) == len(SCENARIOS), told
    for what in ("the bank hangs", "the bank is back", "kill -9 of worker", "kill -9 of the Postg"):
        assert what in ran.stdout, told
    for scenario in SCENARIOS:
        assert (tmp_path / f"{scenario.name}.html").is_file()
        assert (tmp_path / f"{scenario.name}_stats.csv").is_file()


def test_a_scenario_that_harms_is_kept_from_a_city_of_others(tmp_path: Path) -> None:
    """Nobody's processes are killed but those that were started for the run."""
    ran = run_load(
        *("--scenario", "kill", "--city", str(tmp_path), "--url", "http://127.0.0.1:1"),
    )
    assert ran.returncode == 1
    assert "needs one of its own" in ran.stderr


def test_a_missed_threshold_decides_the_exit_code(tmp_path: Path) -> None:
    """Answers that are right and too slow fail the run, and the audit is still made.

    Two processes of locust: their figures are judged as one, and the records of both are read.
    """
    ran = run_load("--processes", "2", "--p95-ms", "0.001", "--report", str(tmp_path))
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "thresholds: missed" in ran.stdout
    # The figures of a busy machine's processes may come after the judgement.
    reasons = ("1 in 20 answers took longer", "nothing was sent")
    assert sum(ran.stdout.count(f"threshold missed: {reason}") for reason in reasons) == 1
    assert "every answer is what the ledger holds" in ran.stdout
    assert "audit: 0 payments and steps sent" not in ran.stdout


async def test_the_web_page_starts_and_stops_runs_until_the_end_is_asked_for(
    tmp_path: Path,
) -> None:
    """locust's page is on loopback only, starts runs anew, and the audit is about all of them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests", *SMALL, "--p95-ms", "60000"),
        *("--web", "--web-port", "0", "--report", str(tmp_path)),
        cwd=ROOT,
        stdout=PIPE,
        env=environment(),
    )
    try:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), RUN_S_MAX)
        page = URL(said.decode().split()[4].rstrip(";"))
        async with aiohttp.ClientSession(page) as session:
            await until(lambda: is_at(session, "stopped"), "the first run has ended by itself")
            assert listening(page.port) == {LOOPBACK}
            await tell(session, "/swarm", user_count=2, spawn_rate=2)
            await until(lambda: is_at(session, "running"), "a second run has sent something")
            await tell(session, "/stop")
        started = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(process.communicate(), RUN_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
    told = rest.decode()
    assert process.returncode == 0, told
    assert "every answer is what the ledger holds, and the books are right" in told
    assert "thresholds: held" in told
    assert len(started) > 1
    await until(lambda: not any(map(is_running, started)), "no process is left")


async def is_at(session: aiohttp.ClientSession, state: str) -> bool:
    """Whether the page is there, tells of this state, and of requests in the latest run."""
    try:
        async with session.get("/stats/requests") as answer:
            told = await answer.json()
    except aiohttp.ClientConnectionError:
        return False
    return bool(told["state"] == state and told["stats"][-1]["num_requests"])


async def tell(session: aiohttp.ClientSession, path: str, **fields: int) -> None:
    """What the buttons of the page send."""
    async with session.post(path, data=fields) as answer:
        assert (await answer.json())["success"]


def listening(port: int | None) -> set[str]:
    """The addresses on which anybody of this machine listens at this port, as the kernel has it."""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:]:
            address, number = line.split()[1].split(":")
            if int(number, 16) == port and line.split()[3] == LISTENS:
                found.add(address)
    return found


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    below = children(pid)
    return [*below, *(deeper for child in below for deeper in descendants(child))]


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


SENT = {"by": "shop", "path": "/v1/payments", "body": "{}"}


async def test_the_audit_finds_what_was_decided_and_should_not_be(
    database: Database, tmp_path: Path
) -> None:
    """A decision that nobody sent, one that was refused, and one that nobody was told of."""
    async with connected(database.url()) as operator:
        await operator.add_participant("shop", kind="merchant")
        await decide(operator, "load-test-1", "load-test-2", "load-test-3")
        found = await audit_of(
            operator,
            tmp_path,
            {"sent": "load-test-2", **SENT},
            {"refused": "load-test-2"},
            {"sent": "load-test-3", **SENT},
        )
    assert "load-test-1 was decided and never sent" in found
    assert "load-test-2 was refused and decided" in found
    assert "load-test-3 was sent and neither answered nor refused" in found


def test_a_refusal_speaks_for_one_attempt(tmp_path: Path) -> None:
    """What was sent twice and refused once is in doubt, in whatever order that is read."""
    lines = ({"refused": "one"}, {"again": "one"}, {"sent": "one", **SENT})
    for order in (lines, lines[::-1]):
        write(tmp_path, *order)
        assert read_record(tmp_path).in_doubt == {"one"}
    write(tmp_path, *lines, {"refused": "one"})
    assert read_record(tmp_path).refused == {"one"}
    write(tmp_path, *lines, {"answered": "one", "body": "{}"})
    assert not read_record(tmp_path).in_doubt | read_record(tmp_path).refused


async def test_the_audit_finds_what_still_waits_for_a_bank(
    database: Database, tmp_path: Path
) -> None:
    """In the end nothing is pending."""
    async with connected(database.url()) as operator:
        await operator.connection.execute(
            "INSERT INTO ledger.pending_payment (created_at, amount, participant_no, type, stage,"
            " id, payer, payee, currency, key)"
            " VALUES (now(), 1, 1, 1, 0, $1, $1, $1, 'CNY', 'load-test-1')",
            new_id(0),
        )
        found = await audit_of(operator, tmp_path)
    assert "load-test-1 still waits for its bank" in found


async def decide(operator: Operator, *keys: str) -> None:
    """Decisions under these keys: bars, the simplest there are."""
    number = await operator.connection.fetchval(
        "SELECT participant_no FROM ledger.participant WHERE id = 'shop'"
    )
    for key in keys:
        await operator.connection.fetch(
            QUERIES["bar_key"], number, key, bytes(32), new_id(0), None, None, None
        )


async def audit_of(operator: Operator, folder: Path, *lines: dict[str, str]) -> list[str]:
    write(folder, *lines)
    return (await audit(operator, folder, RUN)).findings


def write(folder: Path, *lines: dict[str, str]) -> None:
    record = folder / "1.jsonl"
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
