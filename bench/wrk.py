"""Sends signed payments to a running switch with wrk, each once, and accounts for every answer.

The rate is wrk's own count of good answers over its own duration. Believed only if nothing was
refused, broken or late, if the switch says that it answered 201 exactly as often as the ledger
says that it decided, and if wrk counted all of these but for the last on each connection, which it
does not wait for.
"""

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench import processor, requests
from bench.harness import Measurement
from bench.stage import BenchError, RanOut, Stage, with_enough
from switch.clock import SYSTEM_CLOCK
from switch.limits import SIGNATURE_AGE_S_MAX
from switch.serving import Serving

THREADS = 2
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
    postgres_s: float

    @classmethod
    def now(cls, stage: Stage, switch: Serving) -> Self:
        """What the processes that run now have used since they started."""
        workers = [c.pid for c in switch.supervisor.children if c.name.startswith("worker")]
        server = processor.with_children(stage.database.server_pid())
        return cls(
            workers_s=processor.used_s(pid for pid in workers if pid is not None),
            postgres_s=processor.used_s(server),
        )

    def __sub__(self, earlier: Self) -> "Used":
        """What was used since then."""
        return Used(
            workers_s=self.workers_s - earlier.workers_s,
            postgres_s=self.postgres_s - earlier.postgres_s,
        )


def check_installed() -> None:
    """Raise BenchError when there is no wrk."""
    if shutil.which("wrk") is None:
        raise BenchError(INSTALL)


async def measure(stage: Stage, payees: Sequence[UUID]) -> Measurement:
    """Start a switch, warm it up, measure, and let it end."""
    async with stage.switch() as switch:
        warm = await burst(
            stage, switch, payees, seconds=stage.size.warm_up_s, rate_guess=RATE_GUESS
        )
        return await burst(
            stage, switch, payees, seconds=stage.size.seconds, rate_guess=warm.per_second
        )


async def burst(
    stage: Stage, switch: Serving, payees: Sequence[UUID], *, seconds: float, rate_guess: float
) -> Measurement:
    """Sign enough, send for some seconds, account for all of it."""

    async def attempt(rate: float) -> Measurement:
        return await _burst(stage, switch, payees, seconds, rate)

    return await with_enough(attempt, rate_guess)


async def _burst(
    stage: Stage, switch: Serving, payees: Sequence[UUID], seconds: float, rate_guess: float
) -> Measurement:
    count = max(1_000, int(SPARE * rate_guess * seconds / THREADS))
    now_us = SYSTEM_CLOCK.now_us()
    orders = [
        requests.Order(
            authority=urlsplit(switch.url).netloc,
            providers=stage.city.providers,
            payees=payees,
            count=count,
            key_prefix=f"{now_us:016}-{thread}",
        )
        for thread in range(THREADS)
    ]
    slices = await requests.sign(stage.folder / "slice", orders)
    try:
        signed_s = (SYSTEM_CLOCK.now_us() - now_us) / 1e6
        if signed_s + seconds > SIGNATURE_AGE_S_MAX:
            raise BenchError(f"signing took {signed_s:.0f} s: signatures would be too old")
        mark = stage.mark()
        answered = await _answered(switch)
        used = Used.now(stage, switch)
        result = await _run(switch.url, slices, stage.size.connections, seconds)
        used = Used.now(stage, switch) - used
        waiting = await stage.waiting_credits()
        decided = await _account(stage, switch, mark, answered, result)
        folded_s = await stage.folded()
    finally:
        slices.remove()
    duration_s = result["duration_us"] / 1e6
    return Measurement(
        per_second=result["answers"] / duration_s,
        seen={
            "decided": decided,
            "p50_ms": round(result["p50_us"] / 1000, 1),
            "p99_ms": round(result["p99_us"] / 1000, 1),
            "worker_us": round(1e6 * used.workers_s / decided),
            "postgres_us": round(1e6 * used.postgres_s / decided),
            "batch": await _mean_batch(switch),
            "unfolded": waiting,
            "folded_s": round(folded_s, 2),
        },
    )


async def _run(
    url: str, slices: requests.Slices, connections: int, seconds: float
) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *("wrk", "--threads", str(THREADS), "--connections", str(connections)),
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
        raise RanOut("a thread ran out of signed payments")
    for fault in ("refused", "broken", "late"):
        if result[fault]:
            raise BenchError(f"{result[fault]} of {result['answers']} requests were {fault}")
    return result


async def _account(
    stage: Stage, switch: Serving, mark: UUID, answered: float, result: dict[str, Any]
) -> int:
    """The payments decided in this burst, once ledger, switch and wrk agree on them."""
    ends_s = SYSTEM_CLOCK.monotonic_s() + ACCOUNT_WAIT_S
    while True:
        decided = await stage.decided_since(mark)
        told = await _answered(switch) - answered
        if told == decided and 0 <= decided - result["answers"] <= stage.size.connections:
            return decided
        if SYSTEM_CLOCK.monotonic_s() > ends_s:
            raise BenchError(
                f"wrk counted {result['answers']} answers, the switch {told:g} answers of 201,"
                f" the ledger {decided} decisions"
            )
        await asyncio.sleep(0.25)


async def _answered(switch: Serving) -> float:
    """How often the switch has answered a payment with 201 since it started."""
    labels = {"endpoint": "decide_payment", "status": "201"}
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
