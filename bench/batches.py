"""How many payments a second when they come in batches?

Batches of 10, 100 and 1,000 payments under one signature over HTTP, from few connections: a worker
takes on eight batches at a time, four of one participant, and all connections may meet one worker.
The rate is of payments; believed if every payment of every batch is in the ledger, approved.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from bench import requests, wrk
from bench.city import Provider
from bench.harness import Measurement
from bench.stage import Stage
from switch.clock import SYSTEM_CLOCK
from switch.limits import BATCHES_IN_FLIGHT_MAX, PARTICIPANT_BATCHES_IN_FLIGHT_MAX
from switch.signature import signing_key

PREFIX = "batches-"
PATH = "/v1/payments/batch"
SIZES = (10, 100, 1_000)
CONNECTIONS = {10: 6, 100: 6, 1_000: 4}  # fewer of the largest: each must be sent within 2 s
RATE_GUESS = 12_000.0  # payments a second, for the first warm-up

# Each thread of wrk has participants of its own, so none of them has more than its half under way.
assert max(CONNECTIONS.values()) <= BATCHES_IN_FLIGHT_MAX
assert max(CONNECTIONS.values()) <= wrk.THREADS * PARTICIPANT_BATCHES_IN_FLIGHT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """What to sign: `count` batches of so many purchases, each of one of the providers."""

    authority: str
    providers: Sequence[Provider]
    payees: Sequence[UUID]
    payments: int
    count: int
    key_prefix: str

    def messages(self) -> Iterator[bytes]:
        """Signed batches, as whole HTTP requests."""
        chosen = random.Random(self.key_prefix)
        created = SYSTEM_CLOCK.now_us() // 1_000_000
        keys = [signing_key(provider.key_id, provider.seed) for provider in self.providers]
        for number in range(self.count):
            holder = chosen.randrange(len(keys))
            prefix = f"{self.key_prefix}-{number:06}"
            yield requests.signed_post(
                keys[holder],
                self.authority,
                PATH,
                self._body(chosen, self.providers[holder].wallets, prefix),
                idempotency_key=prefix,
                created=created,
            )

    def _body(self, chosen: random.Random, wallets: Sequence[UUID], prefix: str) -> bytes:
        items = (
            b'{"idempotency_key":"%s-%04d","payment":%s}'
            % (
                prefix.encode(),
                number,
                requests.purchase(chosen, chosen.choice(wallets), self.payees),
            )
            for number in range(self.payments)
        )
        return b'{"payments":[%s]}' % b",".join(items)


class Batches:
    """Batches of one size."""

    def __init__(self, payments: int) -> None:
        self.name = f"{PREFIX}{payments}"
        self.asks = f"batches of {payments:,} payments over HTTP"
        self._payments = payments

    async def prepare(self, stage: Stage) -> None:
        """Nothing: the city is there."""

    async def measure(self, stage: Stage) -> Measurement:
        """One turn."""
        return await wrk.measure(stage, self._load(stage), RATE_GUESS / self._payments)

    def _load(self, stage: Stage) -> wrk.Load:
        def order(authority: str, thread: int, count: int, key_prefix: str) -> BatchOrder:
            return BatchOrder(
                authority=authority,
                providers=stage.city.providers[thread :: wrk.THREADS],
                payees=stage.city.merchants,
                payments=self._payments,
                count=count,
                key_prefix=key_prefix,
            )

        return wrk.Load(
            order=order,
            endpoint="decide_batch",
            status=200,
            payments=self._payments,
            connections=CONNECTIONS[self._payments],
        )


QUESTIONS = tuple(Batches(payments) for payments in SIZES)
