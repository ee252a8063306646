"""`python -m loadtests`: a city, the load of its participants, the thresholds, and the audit.

`--scenario NAME` may be given several times, and `--list` tells of them; they run one after another
on one city, each with an audit of its own, and with a report of locust's (HTML, CSV) in `--report`.
Without `--city` a demo city is founded for the run; with it, one that runs already is used:
`switch demo --data-dir DIR` prints its URL. With `--web` the run can be watched, stopped and
started again on locust's page, on loopback only, until Ctrl-C; the thresholds are about the last
run there, the audit is about all of them. Ctrl-C ends the load early, and the audit follows. Exit
code 0 when the thresholds held, every answer is what the ledger holds, and the books are right; 1
when not, with the findings; 130 when it was ended where there was nothing to audit.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from loadtests import city, incidents
from loadtests.audit import Audit, audit
from loadtests.city import Place, Plan
from loadtests.running import Ended, run_locust, web_page
from loadtests.scenarios import BY_NAME, SCENARIOS, Scenario
from loadtests.settle import Settling
from switch import admin, limits
from switch.admin import Access
from switch.clock import SYSTEM_CLOCK
from switch.errors import SwitchError, using
from switch.lifeline import allow_descriptors
from switch.serving import until_asked_to_end

ENDED_EARLY = 128 + signal.SIGINT  # the exit code that a shell gives to a Ctrl-C
REPORTS = Path(".run") / "load"
DESCRIPTORS = 8_192  # of one process: every user has a connection


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and say in one line what went wrong."""
    options = _parser().parse_args(arguments)
    if options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:<14}{scenario.shows}")
        return 0
    allow_descriptors(DESCRIPTORS)
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
    add = parser.add_argument
    names = [*BY_NAME, "all"]
    add("--scenario", action="append", choices=names, help="one or several, or all [day]")
    add("--list", action="store_true", help="the scenarios and what they show")
    add("--report", type=Path, default=REPORTS, help=f"folder for HTML and CSV [{REPORTS}]")
    add("--processes", type=int, default=1, help="of locust [1]")
    add("--users", type=int, help="at work side by side [the scenario's]")
    add("--spawn-rate", type=float, default=25, help="more of them a second [25]")
    add("--duration", type=float, default=30, help="seconds of each scenario [30]")
    add("--think", type=float, default=0, help="seconds between two requests [0]")
    add("--wallets", type=int, default=1_000, help="of a city made for this [1000]")
    add("--reads-per-s", type=float, default=limits.READS_PER_S, help="look-ups there, of a key"
        f" from an address, for each worker [{limits.READS_PER_S:g}]")  # fmt: skip
    add("--city", type=Path, help="data directory of a demo city that runs")
    add("--url", help="where it serves")
    add("--p95-ms", type=float, help="threshold [the scenario's]")
    add("--failures", type=int, default=0, help="threshold [0]")
    add("--web", action="store_true", help="locust's own page, until Ctrl-C")
    add("--web-port", type=int, default=8089, help="of that page; 0: any free one [8089]")
    return parser


async def _run(options: argparse.Namespace) -> bool:
    """All scenarios, until the end was asked for; whether all of them were right."""
    scenarios = _scenarios(options)
    page = web_page(options.web_port) if options.web else None
    right = True
    with _folder() as folder:
        async with _city(options, folder) as place:
            for scenario in scenarios:
                plan = _plan(options, scenario, place, folder)
                ended = await _load(options, scenario, place, plan, page)
                right = await _is_right(scenario, place, plan, ended) and right
                if ended.was_asked:
                    break
    return right


def _scenarios(options: argparse.Namespace) -> list[Scenario]:
    """Those that were asked for, if they can be run so."""
    if (options.city is None) != (options.url is None):
        raise SwitchError("a running city needs both --city DIR and --url URL")
    names = options.scenario or ["day"]
    chosen = list(SCENARIOS) if "all" in names else [BY_NAME[name] for name in names]
    if options.web and len(chosen) > 1:
        raise SwitchError("locust's page shows one scenario: name it with --scenario")
    for scenario in chosen:
        if scenario.incident is not None and options.city is not None:
            raise SwitchError(f"{scenario.name} harms its city: it needs one of its own")
        if scenario.incident is not None and options.web:
            raise SwitchError(f"{scenario.name} has a course of its own: not with --web")
    return chosen


def _plan(options: argparse.Namespace, scenario: Scenario, place: Place, folder: Path) -> Plan:
    """What locust is told; the folder of the record is there also when nothing will be sent."""
    run = f"{SYSTEM_CLOCK.now_us():x}"
    record = folder / run
    record.mkdir()
    return Plan(
        city=place.city,
        scenario=scenario.name,
        run=run,
        record=str(record),
        report=str(options.report),
        users=scenario.users if options.users is None else options.users,
        spawn_rate=options.spawn_rate,
        duration_s=max(1.0, options.duration),
        think_s=options.think,
        p95_ms_max=scenario.p95_ms_max if options.p95_ms is None else options.p95_ms,
        failures_max=options.failures,
    )


async def _load(
    options: argparse.Namespace,
    scenario: Scenario,
    place: Place,
    plan: Plan,
    page: Sequence[str] | None,
) -> Ended:
    """The load of one scenario, and what happens meanwhile."""
    print(f"{scenario.name}: {scenario.shows}", flush=True)
    with using(options.report):
        options.report.mkdir(parents=True, exist_ok=True)
    course = None
    if scenario.incident is not None:
        assert place.own is not None, "looked at before"
        course = incidents.happen(scenario.incident, place.own, Path(plan.record), plan.duration_s)
    return await run_locust(plan, processes=options.processes, page=page, course=course)


async def _is_right(scenario: Scenario, place: Place, plan: Plan, ended: Ended) -> bool:
    """Settle what is in doubt, audit, and say what was found."""
    record = Path(plan.record)
    settling = Settling(place.city, record)
    settled = await settling.run()
    findings = [*settling.faults]
    if place.own is not None and scenario.incident is not None:
        findings += await incidents.over(place.own)
    access = Access(admin_database_url=None, data_dir=place.data_dir)
    async with admin.operator(access) as made:
        audited = await audit(made, record, plan.run, is_calm=not scenario.breaks_links)
    audited.findings[:0] = findings
    _conclude(audited, settled, ended)
    return ended.held and not audited.findings


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="switch-load-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@asynccontextmanager
async def _city(options: argparse.Namespace, folder: Path) -> AsyncIterator[Place]:
    """The one that runs, or a new one."""
    if options.city is not None:
        yield await city.running(options.city, options.url)
        return
    print(f"founding a city of {options.wallets} wallets", flush=True)
    async with city.founded(folder / "switch", options.wallets, options.reads_per_s) as place:
        yield place


def _conclude(audited: Audit, settled: int, ended: Ended) -> None:
    print(
        f"audit: {audited.sent:,} payments and steps sent, {audited.answered:,} answered,"
        f" {audited.refused:,} refused, {audited.decided:,} in the ledger"
    )
    if settled:
        print(f"audit: {settled:,} were in doubt, and sent again")
    for finding in audited.findings:
        print(f"audit: {finding}")
    if not audited.findings:
        print("audit: every answer is what the ledger holds, and the books are right")
    print("thresholds: held" if ended.held else "thresholds: missed", flush=True)


if __name__ == "__main__":
    sys.exit(main())
