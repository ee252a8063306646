"""One phase under load: payments in open loop, perhaps something beside them, accounted for.

A phase is believed only if every payment that was answered `201` is in the ledger, approved, and
nothing else is that was not left without an answer, and if the answers that were kept verify. A
payment that was refused or not answered in time counts as one that was answered when waiting ended.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from bench import kept, open_loop, requests
from bench.city import Provider
from bench.open_loop import NO_ANSWER, Sent, Task
from bench.stage import BenchError, Stage
from bench.wrk import Used
from switch import keyfile
from switch.clock import SYSTEM_CLOCK
from switch.keyfile import PublicKey
from switch.limits import SIGNATURE_AGE_S_MAX
from switch.serving import Serving

LEAD_IN_S_MAX = 2.0  # connections are new, and budgets still full
PAYMENT_CONNECTIONS = 256  # many times what is under way at once at half of capacity
SIGNERS = 2
DECIDED = 201
UNKNOWN = 504
DECIDED_OF_PREFIX = """
SELECT count(*) AS decided, count(*) FILTER (WHERE outcome = 0) AS approved
  FROM ledger.payment WHERE shard = 0 AND id >= $1 AND key LIKE $2 || '%'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A running switch, and how it signs."""

    stage: Stage
    switch: Serving
    keys: dict[str, PublicKey]

    @classmethod
    async def at(cls, stage: Stage, switch: Serving) -> Self:
        """With the keys that the switch publishes now."""
        url = f"{switch.url}/.well-known/jwks.json"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            keys = keyfile.parse_jwks(await answer.read())
        return cls(stage=stage, switch=switch, keys=keys)

    @property
    def authority(self) -> str:
        """As requests are signed for it."""
        return urlsplit(self.switch.url).netloc

    def task(self, messages: tuple[bytes, ...], per_second: float, connections: int) -> Task:
        """Messages to be sent for the time that a phase lasts."""
        return Task(
            port=self.switch.config.port,
            messages=messages,
            per_second=per_second,
            lead_in_s=min(LEAD_IN_S_MAX, self.stage.size.seconds),
            seconds=self.stage.size.seconds,
            connections=connections,
        )

    async def sign(self, payers: Sequence[Provider], prefix: str, count: int) -> tuple[bytes, ...]:
        """So many payments to all merchants, each under a key of its own."""
        stage = self.stage
        orders = [
            requests.Order(
                authority=self.authority,
                providers=payers,
                payees=stage.city.merchants,
                count=-(-count // SIGNERS),
                key_prefix=f"{prefix}-{signer}",
            )
            for signer in range(SIGNERS)
        ]
        slices = await requests.sign(stage.folder / "slice", orders)
        try:
            return tuple(slices.read())
        finally:
            slices.remove()


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What was seen in one phase."""

    payments: Sent
    beside: tuple[Sent, ...]
    used: Used

    @property
    def per_second(self) -> float:
        """Payments decided a second."""
        return self.payments.per_second(DECIDED)

    def latency_ms(self, share: float) -> float:
        """The time from when they were due in which this share of all payments was decided."""
        return self.payments.within_ms(share, DECIDED)

    @property
    def seen(self) -> dict[str, Any]:
        """For the results, and in short for the reader."""
        count = self.payments.count()
        decided = count[DECIDED]
        return {
            "per_second": round(self.per_second, 1),
            "p50_ms": round(self.latency_ms(0.50), 2),
            "p95_ms": round(self.latency_ms(0.95), 2),
            "p99_ms": round(self.latency_ms(0.99), 2),
            "p999_ms": round(self.latency_ms(0.999), 2),
            "not_decided": count.total() - decided,
            "held_up_p99_ms": round(self.payments.held_up_ms(0.99), 2),
            "worker_us": round(1e6 * self.used.workers_s / max(1, decided)),
            "postgres_us": round(1e6 * self.used.postgres_s / max(1, decided)),
            "sender_us": round(1e6 * self.payments.processor_s / count.total()),
        }


def ratios(changed: Phase, plain: Phase) -> tuple[float, float]:
    """Of the rates and of the 99th percentiles of two phases that are neighbours."""
    if not plain.per_second:
        raise BenchError("no payment was decided although nothing else happened")
    return (
        changed.per_second / plain.per_second,
        changed.latency_ms(0.99) / plain.latency_ms(0.99),
    )


async def run(
    ground: Ground,
    per_second: float,
    beside: Sequence[Task] = (),
    *,
    payers: Sequence[Provider] | None = None,
    connections: int = PAYMENT_CONNECTIONS,
) -> Phase:
    """Payments for the seconds of the stage at this rate, with something beside them or nothing.

    By all providers' wallets, unless some are named.
    """
    stage = ground.stage
    began_us = SYSTEM_CLOCK.now_us()
    prefix = f"{began_us:016}"
    count = ground.task((), per_second, connections).count
    messages = await ground.sign(payers or stage.city.providers, prefix, count)
    signed_s = (SYSTEM_CLOCK.now_us() - began_us) / 1e6
    if signed_s + LEAD_IN_S_MAX + stage.size.seconds > SIGNATURE_AGE_S_MAX:
        raise BenchError(f"signing took {signed_s:.0f} s: signatures would be too old")
    mark = stage.mark()
    tasks = [ground.task(messages, per_second, connections), *beside]
    used = Used.now(stage, ground.switch)
    payments, *others = await asyncio.to_thread(open_loop.send, tasks)
    used = Used.now(stage, ground.switch) - used
    for sent, task in zip((payments, *others), tasks, strict=True):
        kept.verify(sent, task.messages, ground.keys, is_paid=sent is payments)
    row = await stage.operator.connection.fetchrow(DECIDED_OF_PREFIX, mark, prefix)
    account(payments, decided=row["decided"], approved=row["approved"])
    await stage.folded()
    return Phase(payments=payments, beside=tuple(others), used=used)


def account(payments: Sent, *, decided: int, approved: int) -> None:
    """Raise BenchError unless the ledger holds what was answered."""
    count = payments.count()
    doubtful = count[NO_ANSWER] + count[UNKNOWN]
    if decided != approved:
        raise BenchError(f"{decided - approved} payments were declined")
    if not count[DECIDED] <= decided <= count[DECIDED] + doubtful:
        raise BenchError(
            f"{count[DECIDED]} payments were answered and {doubtful} left in doubt;"
            f" the ledger holds {decided}"
        )
