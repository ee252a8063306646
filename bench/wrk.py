"""Sends signed payments to a running switch with wrk, each once, and accounts for every answer.

The rate is wrk's own count of good answers over its own duration. Believed only if nothing was
refused, broken or late, if the switch says that it answered 201 exactly as often as the ledger
says that it decided, and if wrk counted all of these but for the last on each connection, which it
does not wait for.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench import processor, requests
from bench.city import Provider
from bench.harness import Measurement
from bench.stage import BenchError, RanOut, Stage, with_enough
from switch.clock import SYSTEM_CLOCK
from switch.limits import SIGNATURE_AGE_S_MAX
from switch.serving import Serving

THREADS = 2
FEWEST = 2_000  # payments signed for the shortest burst
FEWEST_A_CONNECTION = 10  # of messages, however large: a slow warm-up says little of them
RATE_GUESS = 8_000.0  # payments a second, for the first warm-up
SPARE = 1.5  # signed for each payment expected: a slice must not run out
ANSWER_WAIT_S = 10
ACCOUNT_WAIT_S = 15.0  # for the switch to hand over what it has counted
SCRIPT = Path(__file__).with_name("replay.lua")
INSTALL = "wrk is not installed: `apt-get install wrk` on Debian or Ubuntu, `brew install wrk`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Processor time, in seconds."""

    workers_s: float
    banks_s: float  # of the process that calls banks
    postgres_s: float

    @classmethod
    def now(cls, stage: Stage, switch: Serving) -> Self:
        """What the processes that run now have used since they started."""
        children = [(c.name, c.pid) for c in switch.supervisor.children if c.pid is not None]
        server = processor.with_children(stage.database.server_pid())
        return cls(
            workers_s=processor.used_s(pid for name, pid in children if name.startswith("worker")),
            banks_s=processor.used_s(pid for name, pid in children if name == "banks"),
            postgres_s=processor.used_s(server),
        )

    def __sub__(self, earlier: Self) -> "Used":
        """What was used since then."""
        return Used(
            workers_s=self.workers_s - earlier.workers_s,
            banks_s=self.banks_s - earlier.banks_s,
            postgres_s=self.postgres_s - earlier.postgres_s,
        )


def check_installed() -> None:
    """Raise BenchError when there is no wrk."""
    if shutil.which("wrk") is None:
        raise BenchError(INSTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent to a switch, and how its good answers are counted there."""

    order: Callable[[str, int, int, str], requests.Messages]  # authority, thread, count, prefix
    endpoint: str = "decide_payment"
    status: int = 201
    payments: int = 1  # a message
    connections: int


def payments(
    stage: Stage,
    payees: Sequence[UUID],
    *,
    providers: Sequence[Provider] | None = None,
    connections: int | None = None,
    is_hold: bool = False,
    has_reference: bool = False,
) -> Load:
    """Single payments from all wallets or some providers', to be captured later or at once."""

    def order(authority: str, _: int, count: int, key_prefix: str) -> requests.Order:
        return requests.Order(
            authority=authority,
            providers=providers or stage.city.providers,
            payees=payees,
            count=count,
            key_prefix=key_prefix,
            is_hold=is_hold,
            has_reference=has_reference,
        )

    return Load(order=order, connections=connections or stage.size.connections)


async def measure(stage: Stage, load: Load, rate_guess: float = RATE_GUESS) -> Measurement:
    """Start a switch, warm it up, measure, and let it end."""
    async with stage.switch() as switch:
        return await warm_burst(stage, switch, load, rate_guess)


async def warm_burst(
    stage: Stage, switch: Serving, load: Load, rate_guess: float = RATE_GUESS
) -> Measurement:
    """Send for a while that does not count, then for the seconds of the stage."""
    warm = await burst(stage, switch, load, seconds=stage.size.warm_up_s, rate_guess=rate_guess)
    rate = warm.per_second / load.payments
    return await burst(stage, switch, load, seconds=stage.size.seconds, rate_guess=rate)


async def burst(
    stage: Stage, switch: Serving, load: Load, *, seconds: float, rate_guess: float
) -> Measurement:
    """Sign enough for so many messages a second, send for some seconds, account for all of it."""

    async def attempt(rate: float) -> Measurement:
        async with signed(stage, switch.url, load, rate * seconds) as slices:
            return await accounted(stage, switch, load, slices, seconds)

    return await with_enough(attempt, rate_guess)


@asynccontextmanager
async def signed(
    stage: Stage, url: str, load: Load, expected_count: float
) -> AsyncIterator[requests.Slices]:
    """One slice for each thread, with some to spare; gone when the block ends."""
    now_us = SYSTEM_CLOCK.now_us()
    threads = min(THREADS, load.connections)
    fewest = max(FEWEST // load.payments, FEWEST_A_CONNECTION * load.connections)
    count = max(fewest, int(SPARE * expected_count)) // threads
    authority = urlsplit(url).netloc
    orders = [
        load.order(authority, thread, count, f"{now_us:016}-{thread}") for thread in range(threads)
    ]
    slices = await requests.sign(stage.folder / "slice", orders)
    try:
        yield slices
    finally:
        slices.remove()


async def accounted(
    stage: Stage, switch: Serving, load: Load, slices: requests.Slices, seconds: float
) -> Measurement:
    """Send what was signed, and believe it only when ledger, switch and wrk agree."""
    mark = stage.mark()
    before = await answered(switch, load.endpoint, load.status)
    used = Used.now(stage, switch)
    result = await send(switch.url, slices, load.connections, seconds)
    used = Used.now(stage, switch) - used
    waiting = await stage.waiting_credits()
    decided = await _account(stage, switch, load, mark, before, result)
    folded_s = await stage.folded()
    return Measurement(
        per_second=load.payments * rate(result),
        seen={
            "decided": decided,
            **percentiles(result),
            "worker_us": round(1e6 * used.workers_s / max(1, decided)),
            "postgres_us": round(1e6 * used.postgres_s / max(1, decided)),
            "batch": await _mean_batch(switch),
            "unfolded": waiting,
            "folded_s": round(folded_s, 2),
        },
    )


def rate(result: dict[str, Any]) -> float:
    """Good answers a second, as wrk counted them."""
    return float(result["answers"] / (result["duration_us"] / 1e6))


def percentiles(result: dict[str, Any]) -> dict[str, float]:
    """How long answers took, as wrk saw it."""
    return {
        f"{name}_ms": round(result[f"{name}_us"] / 1000, 2)
        for name in ("p50", "p95", "p99", "p999")
    }


async def send(
    url: str, slices: requests.Slices, connections: int, seconds: float
) -> dict[str, Any]:
    """Run wrk; what it counted, if everything was answered well and in time."""
    age_s = (SYSTEM_CLOCK.now_us() - slices.began_us) / 1e6
    if age_s + seconds > SIGNATURE_AGE_S_MAX:
        raise BenchError(f"signing took {age_s:.0f} s: signatures would be too old")
    process = await asyncio.create_subprocess_exec(
        *("wrk", "--threads", str(min(THREADS, connections)), "--connections", str(connections)),
        *("--duration", f"{max(1, round(seconds))}s", "--timeout", f"{ANSWER_WAIT_S}s"),
        *("--script", str(SCRIPT), url, str(slices.prefix), str(slices.message_bytes)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    found = [line for line in output.decode().splitlines() if line.startswith("RESULT ")]
    if process.returncode or not found:
        raise BenchError(f"wrk failed: {output.decode()[-500:]}")
    result: dict[str, Any] = json.loads(found[0].removeprefix("RESULT "))
    if result["exhausted"]:
        raise RanOut("a thread ran out of signed messages")
    for fault in ("refused", "broken", "late"):
        if result[fault]:
            raise BenchError(f"{result[fault]} of {result['answers']} requests were {fault}")
    return result


async def _account(
    stage: Stage,
    switch: Serving,
    load: Load,
    mark: UUID,
    before: float,
    result: dict[str, Any],
) -> int:
    """The payments decided in this burst, once ledger, switch and wrk agree on them."""
    ends_s = SYSTEM_CLOCK.monotonic_s() + ACCOUNT_WAIT_S
    while True:
        decided = await stage.decided_since(mark)
        told = await answered(switch, load.endpoint, load.status) - before
        if told * load.payments == decided and 0 <= told - result["answers"] <= load.connections:
            return decided
        if SYSTEM_CLOCK.monotonic_s() > ends_s:
            raise BenchError(
                f"wrk counted {result['answers']} answers, the switch {told:g} of"
                f" {load.status}, the ledger {decided} decisions"
            )
        await asyncio.sleep(0.25)


async def answered(switch: Serving, endpoint: str, status: int) -> float:
    """How often the switch has answered such a message so since it started."""
    labels = {"endpoint": endpoint, "status": str(status)}
    return sum(
        float(sample.value)
        for sample in await _samples(switch)
        if sample.name == "switch_requests_total" and sample.labels == labels
    )


async def _mean_batch(switch: Serving) -> float:
    """Payments decided by one call, on average since it started."""
    values = {sample.name: float(sample.value) for sample in await _samples(switch)}
    return round(
        values["switch_batch_messages_sum"] / max(1.0, values["switch_batch_messages_count"]), 1
    )


async def _samples(switch: Serving) -> list[Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{switch.admin_url}/metrics") as answer,
    ):
        text = await answer.text()
    return [s for family in text_string_to_metric_families(text) for s in family.samples]
