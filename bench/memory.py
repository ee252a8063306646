"""How much memory does a worker hold, and does it grow with the payments it has decided?

The resident set of every worker, read from /proc before, between and after bursts of payments over
HTTP until the number asked for is reached. Memory that is held per payment shows as a growth that
goes on after the first tenth, when caches and pools have their size.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import wrk
from bench.harness import Results
from bench.stage import BenchError, Stage
from switch.serving import Serving

NAME = "memory"
RESIDENT_MIB_WANTED = 120.0
GROWTH_MIB_MAX = 4.0  # from the first tenth to the end; allocators breathe that much
BURST_S_MAX = 20.0
LONG_PAYMENTS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The resident sets of all workers, after so many payments."""

    payments: int
    mib: tuple[float, ...]


async def measure(stage: Stage, payments: int) -> list[Sample]:
    """Samples from a fresh switch to the last payment."""
    load = wrk.payments(stage, stage.city.merchants)
    async with stage.switch() as switch:
        samples = [Sample(payments=0, mib=resident_mib(switch))]
        rate = wrk.RATE_GUESS / 4
        while samples[-1].payments < payments:
            left = payments - samples[-1].payments
            seconds = min(BURST_S_MAX, max(1.0, left / rate), max(1.0, payments / 10 / rate))
            burst = await wrk.burst(stage, switch, load, seconds=seconds, rate_guess=2 * rate)
            rate = burst.per_second
            done = samples[-1].payments + burst.seen["decided"]
            samples.append(Sample(payments=done, mib=resident_mib(switch)))
    return samples


def resident_mib(switch: Serving) -> tuple[float, ...]:
    """The resident set of each worker, in MiB."""
    workers = [child for child in switch.supervisor.children if child.name.startswith("worker")]
    sizes = []
    for worker in workers:
        if worker.pid is None or worker.restart_count:
            raise BenchError(f"{worker.name} was started again")
        status = Path(f"/proc/{worker.pid}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        sizes.append(round(int(line.split()[1]) / 1024, 1))
    return tuple(sizes)


def growth_mib(samples: list[Sample]) -> float:
    """How much the worker that grew most has grown since the first tenth."""
    tenth = samples[-1].payments / 10
    settled = next(sample for sample in samples if sample.payments >= tenth)
    return max(last - first for last, first in zip(samples[-1].mib, settled.mib, strict=True))


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Measure, keep every sample, and say whether it is flat and small enough."""
    payments = stage.size.memory_payments
    await stage.settle()
    with console.status(f"memory over {payments:,} payments"):
        samples = await measure(stage, payments)
    for sample in samples:
        results.write({"question": "memory", "payments": sample.payments, "mib": sample.mib})
        console.print(f"memory after {sample.payments:>9,} payments: {sample.mib} MiB a worker")
    most, grown = max(max(sample.mib) for sample in samples), growth_mib(samples)
    flat = "flat" if grown <= GROWTH_MIB_MAX else "not flat"
    small = "yes" if most <= RESIDENT_MIB_WANTED else "no"
    results.write({"question": "memory", "most_mib": most, "grown_mib": round(grown, 1)})
    console.print(
        f"memory: {flat} ({grown:+.1f} MiB since the first tenth), at most {most:.1f} MiB;"
        f" wanted ≤ {RESIDENT_MIB_WANTED:g}: {small}",
        highlight=False,
        soft_wrap=True,
    )
    await stage.check_books()
