"""How long does a payment take, from an idle switch to one that is asked too much?

Payments in open loop at fixed shares of the capacity that was measured just before in the same
round. Each is timed from the moment it was due, so who waits behind a stall is counted with all of
his waiting; one that was refused or not answered counts as answered when the waiting ended.
"""

from rich.console import Console

from bench import pairs, phase, storm
from bench.harness import Measurement, Results
from bench.pairs import Compared, Target
from bench.phase import Ground
from bench.stage import Stage
from bench.sweep import Point, walk

NAME = "curve"
LOADS_PERCENT = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120)  # of capacity
HALF = 50
P99_TO_P50_MAX = 4.0  # at half of capacity
P99_MS_MAX = 15.0  # likewise, on a quiet machine


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Capacity, then load after load, in every round; the books at the end."""
    await stage.settle()
    at_half: list[Measurement] = []
    async with stage.switch() as switch:
        ground = await Ground.at(stage, switch)
        for round_no in range(1, stage.size.rounds + 1):
            with console.status("how much it takes"):
                capacity_per_s = await storm.capacity(stage, switch)
            results.write({"question": NAME, "round": round_no, "capacity_per_s": capacity_per_s})

            async def measure(at: Point, capacity_per_s: float = capacity_per_s) -> Measurement:
                seen = await phase.run(ground, at["load_percent"] / 100 * capacity_per_s)
                rest = {key: value for key, value in seen.seen.items() if key != "per_second"}
                return Measurement(per_second=seen.per_second, seen=rest)

            loads = LOADS_PERCENT if stage.size.is_thorough else (HALF, LOADS_PERCENT[-1])
            points = [{"load_percent": load} for load in loads]
            found = await walk(NAME, round_no, points, measure, results, console)
            at_half += [seen for at, seen in found if at["load_percent"] == HALF]
    pairs.conclude(_compared(at_half), results, console)
    await stage.check_books()


def _compared(at_half: list[Measurement]) -> list[Compared]:
    seen = [one.seen for one in at_half]
    return [
        Compared(
            target=Target(
                name=f"{NAME} at {HALF} %: p99 ÷ p50", wanted=P99_TO_P50_MAX, is_floor=False
            ),
            ratios=tuple(one["p99_ms"] / one["p50_ms"] for one in seen),
        ),
        Compared(
            target=Target(name=f"{NAME} at {HALF} %: p99 in ms", wanted=P99_MS_MAX, is_floor=False),
            ratios=tuple(one["p99_ms"] for one in seen),
        ),
    ]
