"""How many payments a second are held first and captured later?

Purchases with `capture: false` over HTTP by wallet providers, then a full capture of each by the
merchant's participant, both by wrk. A payment takes the time of both, so the rate is that of pairs:
as if holds and captures shared the switch's time. Believed if every hold and every capture that was
answered is in the ledger, approved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from bench import requests, wrk
from bench.city import Holder
from bench.harness import Measurement
from bench.stage import Stage, with_enough
from switch.clock import SYSTEM_CLOCK
from switch.serving import Serving
from switch.signature import signing_key

HELD_FOR_EACH = 2.0  # seconds of holds for one of captures, which must not run out
SHOWN = ("p50_ms", "p99_ms", "worker_us", "postgres_us")
HELD = """
SELECT y.id, a.participant_no
  FROM ledger.payment y JOIN ledger.account a ON a.shard = 0 AND a.id = y.payee
 WHERE y.shard = 0 AND y.id >= $1 AND y.parent IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOrder:
    """What to sign: a full capture of each hold, by whom it pays."""

    authority: str
    holds: Sequence[tuple[UUID, Holder]]
    key_prefix: str

    @property
    def count(self) -> int:
        """One for each hold."""
        return len(self.holds)

    def messages(self) -> Iterator[bytes]:
        """Signed captures, as whole HTTP requests."""
        created = SYSTEM_CLOCK.now_us() // 1_000_000
        keys = {holder.id: signing_key(holder.key_id, holder.seed) for _, holder in self.holds}
        for number, (payment, holder) in enumerate(self.holds):
            yield requests.signed_post(
                keys[holder.id],
                self.authority,
                f"{requests.PATH}/{payment}/capture",
                b"{}",
                idempotency_key=f"{self.key_prefix}-{number:08}",
                created=created,
            )


class Holds:
    """Payments in two steps."""

    name = "holds"
    asks = "payments held and then captured, over HTTP"

    async def prepare(self, stage: Stage) -> None:
        """Nothing: the city is there."""

    async def measure(self, stage: Stage) -> Measurement:
        """One turn, after a warm-up."""
        load = wrk.payments(stage, stage.city.merchants, is_hold=True)
        async with stage.switch() as switch:
            seconds = stage.size.warm_up_s
            warm = await wrk.burst(stage, switch, load, seconds=seconds, rate_guess=wrk.RATE_GUESS)
            pair = partial(_pair, stage, switch, load, warm.per_second)
            return await with_enough(pair, HELD_FOR_EACH)


async def _pair(
    stage: Stage, switch: Serving, load: wrk.Load, rate_guess: float, held_for_each: float
) -> Measurement:
    """Holds, then captures of these."""
    mark = stage.mark()
    seconds = held_for_each * stage.size.seconds
    held = await wrk.burst(stage, switch, load, seconds=seconds, rate_guess=rate_guess)
    holders = {holder.number: holder for holder in stage.city.merchant_holders}
    rows = await stage.operator.connection.fetch(HELD, mark)
    holds = [(row["id"], holders[row["participant_no"]]) for row in rows]

    def order(authority: str, thread: int, _: int, key_prefix: str) -> CaptureOrder:
        return CaptureOrder(
            authority=authority, holds=holds[thread :: wrk.THREADS], key_prefix=key_prefix
        )

    captures = wrk.Load(order=order, endpoint="capture_payment", connections=stage.size.connections)
    async with wrk.signed(stage, switch.url, captures, len(holds)) as slices:
        captured = await wrk.accounted(stage, switch, captures, slices, stage.size.seconds)
    return Measurement(
        per_second=1 / (1 / held.per_second + 1 / captured.per_second),
        seen={
            "holds_per_s": round(held.per_second),
            "captures_per_s": round(captured.per_second),
            **{f"hold_{name}": held.seen[name] for name in SHOWN},
            **{f"capture_{name}": captured.seen[name] for name in SHOWN},
        },
    )
