"""How does the rate over HTTP grow with workers and connections, and where does the time go?

Single signed payments by wrk to 1 and 2 workers over 1 to 256 connections. The processor time of a
payment is split by floors that are measured just before: one signature verified and one made, an
empty POST answered by aiohttp; Postgres by its own processes; the rest is the switch's own.
"""

from dataclasses import dataclass

from rich.console import Console

from bench import floors, pairs, wrk
from bench.harness import Measurement, Results
from bench.pairs import Compared, Target
from bench.stage import Stage
from bench.sweep import Point, walk

NAME = "http-grid"
WORKERS = (1, 2)
CONNECTIONS = (1, 4, 16, 64, 256)
REST_SHARE_MAX = 0.35  # of all processor time, outside signature, empty POST and Postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """Processor time below which no payment gets, in microseconds."""

    signature_us: float  # one verified, one made
    post_us: float  # HTTP alone


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Floors, then every point, in every round; the books at the end."""
    await stage.settle()
    shares: list[float] = []
    for round_no in range(1, stage.size.rounds + 1):
        with console.status("floors"):
            below = await _floors(stage)
        for workers in WORKERS if round_no % 2 else WORKERS[::-1]:
            found = await _walk(stage, round_no, workers, below, results, console)
            if workers == WORKERS[-1]:
                busiest = max(found, key=lambda one: float(one[0]["connections"]))
                shares.append(busiest[1].seen["rest_share"])
    target = Target(name=f"{NAME}: the switch's own share", wanted=REST_SHARE_MAX, is_floor=False)
    pairs.conclude([Compared(target=target, ratios=tuple(shares))], results, console)
    await stage.check_books()


async def _floors(stage: Stage) -> Floors:
    verify, sign, post = [await question.measure(stage) for question in floors.OF_A_REQUEST]
    return Floors(signature_us=verify.seen["us"] + sign.seen["us"], post_us=post.seen["server_us"])


async def _walk(
    stage: Stage,
    round_no: int,
    workers: int,
    below: Floors,
    results: Results,
    console: Console,
) -> list[tuple[Point, Measurement]]:
    """All numbers of connections to one switch."""
    payees = stage.city.merchants
    async with stage.switch(worker_count=workers) as switch:

        async def burst(connections: int, seconds: float, rate_guess: float) -> Measurement:
            load = wrk.payments(stage, payees, connections=connections)
            return await wrk.burst(stage, switch, load, seconds=seconds, rate_guess=rate_guess)

        with console.status(f"warming up {workers}"):
            warm = await burst(stage.size.connections, stage.size.warm_up_s, wrk.RATE_GUESS)

        async def measure(at: Point) -> Measurement:
            measured = await burst(at["connections"], stage.size.seconds, warm.per_second)
            return split(measured, below)

        counts = CONNECTIONS if stage.size.is_thorough else CONNECTIONS[-1:]
        points = [{"workers": workers, "connections": count} for count in counts]
        return await walk(NAME, round_no, points, measure, results, console)


def split(measured: Measurement, below: Floors) -> Measurement:
    """The same, with the processor time of a payment in its parts."""
    seen = measured.seen
    total_us = seen["worker_us"] + seen["postgres_us"]
    rest_us = seen["worker_us"] - below.signature_us - below.post_us
    parts = {
        "signature_us": round(below.signature_us, 1),
        "post_us": round(below.post_us, 1),
        "rest_us": round(rest_us, 1),
        "rest_share": round(rest_us / total_us, 3),
    }
    return Measurement(per_second=measured.per_second, seen={**seen, **parts})
