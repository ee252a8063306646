"""`python -m bench`: questions in one run, on this machine, with one Postgres.

How fast it is, by default; what it does under load (`--only storm`, `outage`, `overload`) takes its
time and is asked by name. Questions that are rates are asked in turn, round after round, the others
after them. Exit code 0 when every figure could be believed and the books were right after every
round, 1 when not, with one line that says why. Whether a ratio is what is wanted stands in the
table.
"""

import argparse
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvloop
from rich.console import Console

from bench import (
    batches,
    curve,
    disbursement,
    floors,
    growth,
    http_grid,
    ledger,
    machine,
    memory,
    outage,
    overload,
    parts,
    report,
    stage,
    storm,
    wrk,
)
from bench.bank_routed import BankRouted
from bench.function import Function
from bench.harness import Question, Ratio, Results, conclude, run_rounds
from bench.holds import Holds
from bench.http_one_merchant import HttpOneMerchant
from bench.http_uniform import HttpUniform
from bench.naive import Naive
from bench.stage import FULL, QUICK, BenchError, Size, Stage
from bench.tpcb import Tpcb
from switch.errors import SwitchError
from switch.lifeline import allow_descriptors

RESULTS = Path(__file__).with_name("results")
PAGE = Path(__file__).with_name("report.html")

Report = Callable[[Stage, Results, Console], Awaitable[None]]

REPORTS: dict[str, Report] = {
    memory.NAME: memory.report,
    storm.NAME: storm.report,
    outage.NAME: outage.report,
    overload.NAME: overload.report,
    curve.NAME: curve.report,
    http_grid.NAME: http_grid.report,
    ledger.NAME: ledger.report,
    growth.NAME: growth.report,
    parts.NAME: parts.report,
    disbursement.NAME: disbursement.report,
}
QUESTIONS: tuple[Question, ...] = (
    Tpcb(),
    HttpUniform(),
    HttpOneMerchant(),
    Function(),
    *floors.QUESTIONS,
    Naive(),
    *batches.QUESTIONS,
    Holds(),
    BankRouted(),
)
GROUPS: dict[str, Sequence[Question]] = {
    "floors": floors.QUESTIONS,
    "batches": batches.QUESTIONS,
}  # asked together under one name
NAMES = [*(question.name for question in QUESTIONS), *GROUPS, *REPORTS]
BY_DEFAULT = {Tpcb.name, HttpUniform.name, HttpOneMerchant.name, Function.name, memory.NAME}
WITHOUT_WRK = {
    Tpcb.name, Function.name, "floor-verify", "floor-sign", "floor-insert-update", parts.NAME,
    disbursement.NAME
}  # fmt: skip
SIZES = ("rounds", "seconds", "pairs", "wallets", "merchants", "connections")  # to be set
DESCRIPTORS = 8_192  # of one process that sends: thousands wait for a bank's answer at a time
RATIOS = (
    Ratio(of=HttpUniform.name, to=Tpcb.name, wanted_min=1.3),
    Ratio(of=HttpUniform.name, to=Naive.name, wanted_min=2.5),
    Ratio(of=Function.name, to=Tpcb.name, wanted_min=6.0),
    Ratio(of="batches-100", to=Tpcb.name, wanted_min=4.0),
    Ratio(of=HttpOneMerchant.name, to=HttpUniform.name, wanted_min=0.95),
    Ratio(of=BankRouted.name, to=HttpUniform.name),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and say in one line what went wrong."""
    options = _parser().parse_args(arguments)
    wanted = _wanted(options.only)
    console = Console(stderr=True)
    allow_descriptors(DESCRIPTORS)
    if options.report:
        count = report.write(options.results or RESULTS, PAGE)
        console.print(f"{count} runs shown in {PAGE}", soft_wrap=True)
        return 0
    try:
        if wanted - WITHOUT_WRK:
            wrk.check_installed()
        uvloop.run(_run(options, wanted, console))
    except (BenchError, SwitchError) as error:
        console.print(f"bench: {error}", style="red", highlight=False, soft_wrap=True)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="may be given repeatedly")
    parser.add_argument("--report", action="store_true", help="make the page of all that is kept")
    parser.add_argument("--quick", action="store_true", help="short and small; figures mean little")
    parser.add_argument("--rounds", type=int, help=f"[{FULL.rounds}]")
    parser.add_argument("--seconds", type=float, help=f"of one measurement [{FULL.seconds:g}]")
    parser.add_argument("--pairs", type=int, help=f"of what is asked by name [{FULL.pairs}]")
    parser.add_argument("--wallets", type=int, help=f"[{FULL.wallets}]")
    parser.add_argument("--merchants", type=int, help=f"[{FULL.merchants}]")
    parser.add_argument("--connections", type=int, help=f"of wrk [{FULL.connections}]")
    parser.add_argument(
        "--long",
        action="store_true",
        help=f"memory over {memory.LONG_PAYMENTS:,} payments, growth to {growth.LONG[-1]:,}",
    )
    parser.add_argument(
        "--under", type=Path, default=machine.ROOT / ".run", help="the disk to measure on"
    )
    parser.add_argument(
        "--results", type=Path, help="folder for the figures [bench/results; with --quick none]"
    )
    return parser


def _wanted(only: Sequence[str] | None) -> set[str]:
    """The names that are asked for, with a group's questions in its place."""
    asked = set(only or BY_DEFAULT)
    groups = [question.name for name in asked & GROUPS.keys() for question in GROUPS[name]]
    return (asked - GROUPS.keys()) | set(groups)


def _size(options: argparse.Namespace) -> Size:
    size = QUICK if options.quick else FULL
    given = {name: getattr(options, name) for name in SIZES if getattr(options, name) is not None}
    if options.long:
        given |= {"memory_payments": memory.LONG_PAYMENTS, "is_long": True}
    return replace(size, **given)


def _command(only: Sequence[str] | None, size: Size) -> str:
    """What to type for the same once more: no folder of this machine is in it."""
    names = "".join(f" --only {name}" for name in only or ())
    quick = "" if size.is_thorough else " --quick"
    usual = FULL if size.is_thorough else QUICK
    sizes = "".join(
        f" --{name} {getattr(size, name):g}"
        for name in SIZES
        if name in ("rounds", "seconds") or getattr(size, name) != getattr(usual, name)
    )
    long = " --long" if size.is_long else ""
    return f"python -m bench{names}{quick}{sizes}{long}"


@contextmanager
def _folder(under: Path) -> Iterator[Path]:
    """A folder on the disk to measure on, removed at the end."""
    under.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=under.resolve(), prefix="bench-", ignore_cleanup_errors=True
    ) as made:
        yield Path(made)


async def _run(options: argparse.Namespace, wanted: set[str], console: Console) -> None:
    questions = [question for question in QUESTIONS if question.name in wanted]
    size = _size(options)
    kept = options.results or (None if options.quick else RESULTS)
    with _folder(options.under) as folder:
        async with stage.opened(folder, size, console) as opened:
            about = await machine.fingerprint(folder, opened.operator.connection)
            results = Results(kept, {**about, "command": _command(options.only, size)})
            _introduce(about, console)
            if questions:
                await run_rounds(opened, questions, results, console)
            for name, report in REPORTS.items():
                if name in wanted:
                    await report(opened, results, console)
            conclude(questions, RATIOS, results, console)
    console.print("the books are right")
    if results.path is not None:
        console.print(f"kept in {results.path}", soft_wrap=True)


def _introduce(about: dict[str, object], console: Console) -> None:
    console.print(
        f"{about['processors']} of {about['processor']}, {about['system']},"
        f" Postgres {about['postgres']}, {about['file_system']}: a durable write takes"
        f" {about['sync_us']} µs; load {about['load']}",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main())
