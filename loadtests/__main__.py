"""`python -m loadtests`: a city, the load of its wallets, the thresholds, and the audit.

Without `--city` a demo city is founded for the run; with it, one that runs already is used:
`switch demo --data-dir DIR` prints its URL. With `--web` the run can be watched, stopped and
started again on locust's page, on loopback only, until Ctrl-C; the thresholds are about the last
run there, the audit is about all of them. Ctrl-C ends the load early, and the audit follows. Exit
code 0 when the thresholds held, every answer is what the ledger holds, and the books are right; 1
when not, with the findings; 130 when it was ended where there was nothing to audit.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from loadtests import city
from loadtests.audit import Audit, audit
from loadtests.city import City, Plan
from switch import admin
from switch.admin import Access
from switch.binaries import end_with_parent
from switch.clock import SYSTEM_CLOCK
from switch.config import HOST_DEFAULT
from switch.errors import SwitchError
from switch.serving import reserve_port, until_asked_to_end

LOCUSTFILE = Path(__file__).with_name("wallet.py")
STOP_WAIT_S = 20  # for users to get their last answer
ENDED_EARLY = 128 + signal.SIGINT  # the exit code that a shell gives to a Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and say in one line what went wrong."""
    options = _parser().parse_args(arguments)
    try:
        right = asyncio.run(until_asked_to_end(_run(options)))
        if right is None:
            print("loadtests: ended before there was anything to audit", file=sys.stderr)
            return ENDED_EARLY
        return 0 if right else 1
    except SwitchError as error:
        print(f"loadtests: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--users", type=int, default=50, help="wallets at work side by side [50]")
    parser.add_argument("--spawn-rate", type=float, default=25, help="more of them a second [25]")
    parser.add_argument("--duration", type=float, default=30, help="seconds [30]")
    parser.add_argument("--think", type=float, default=0, help="seconds between two requests [0]")
    parser.add_argument("--wallets", type=int, default=1_000, help="of a city made for this [1000]")
    parser.add_argument("--city", type=Path, help="data directory of a demo city that runs")
    parser.add_argument("--url", help="where it serves")
    parser.add_argument("--p95-ms", type=float, default=1_000, help="threshold [1000]")
    parser.add_argument("--failures", type=int, default=0, help="threshold [0]")
    parser.add_argument("--web", action="store_true", help="locust's own page, until Ctrl-C")
    parser.add_argument(
        "--web-port", type=int, default=8089, help="of that page; 0: any free one [8089]"
    )
    return parser


async def _run(options: argparse.Namespace) -> bool:
    if (options.city is None) != (options.url is None):
        raise SwitchError("a running city needs both --city DIR and --url URL")
    how = _web(options.web_port) if options.web else ["--headless", "--only-summary"]
    with _folder() as folder:
        async with _city(options, folder) as (found, data_dir):
            plan = _plan(options, found, folder)
            held = await _locust(options, how, plan, folder)
            async with admin.operator(Access(admin_database_url=None, data_dir=data_dir)) as made:
                audited = await audit(made, Path(plan.record), plan.run)
    _conclude(audited, held)
    return held and not audited.findings


def _plan(options: argparse.Namespace, found: City, folder: Path) -> Plan:
    """What locust is told; the record is there from the start, also when nothing will be sent."""
    record = folder / "record.jsonl"
    record.touch()
    return Plan(
        city=found,
        run=f"{SYSTEM_CLOCK.now_us():x}",
        record=str(record),
        think_s=options.think,
        p95_ms_max=options.p95_ms,
        failures_max=options.failures,
    )


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="switch-load-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@asynccontextmanager
async def _city(options: argparse.Namespace, folder: Path) -> AsyncIterator[tuple[City, Path]]:
    """The city and its data directory."""
    if options.city is not None:
        yield await city.running(options.city, options.url), options.city
        return
    data_dir = folder / "switch"
    print(f"founding a city of {options.wallets} wallets", flush=True)
    async with city.founded(data_dir, options.wallets) as made:
        yield made, data_dir


async def _locust(
    options: argparse.Namespace, how: Sequence[str], plan: Plan, folder: Path
) -> bool:
    """Run locust in a process of its own, which it patches for its green threads."""
    plan_file = folder / "plan.json"
    plan_file.write_bytes(msgspec.json.encode(plan))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), *how),
        *("--users", str(options.users), "--spawn-rate", str(options.spawn_rate)),
        *("--run-time", f"{max(1, round(options.duration))}s", "--host", plan.city.url),
        *("--stop-timeout", str(STOP_WAIT_S), "--loglevel", "WARNING"),
        env=os.environ | {city.PLAN: str(plan_file)},
        stdin=asyncio.subprocess.DEVNULL,  # it would change the terminal to read single keys
        process_group=0,  # a Ctrl-C comes to this process, which passes it on once
        preexec_fn=end_with_parent(signal.SIGKILL),
    )
    try:
        return await process.wait() == 0
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()  # the load ends early; what it did is audited all the same
        process.send_signal(signal.SIGTERM)
        return await process.wait() == 0


def _web(port: int) -> list[str]:
    """Options for locust's page; it starts the first run by itself."""
    try:
        with reserve_port(HOST_DEFAULT, port) as free:  # else locust would go on without a page
            port = free.getsockname()[1]
    except SwitchError as error:
        raise SwitchError(f"port {port} is taken: name another with --web-port") from error
    page = f"http://{HOST_DEFAULT}:{port}"
    print(f"locust's page will be {page}; Ctrl-C ends it, and the audit follows", flush=True)
    return ["--autostart", "--web-host", HOST_DEFAULT, "--web-port", str(port)]


def _conclude(audited: Audit, held: bool) -> None:
    print(
        f"audit: {audited.sent:,} payments sent, {audited.answered:,} answered,"
        f" {audited.decided:,} in the ledger"
    )
    for finding in audited.findings:
        print(f"audit: {finding}")
    if not audited.findings:
        print("audit: every answer is what the ledger holds, and the books are right")
    print("thresholds: held" if held else "thresholds: missed")


if __name__ == "__main__":
    sys.exit(main())
