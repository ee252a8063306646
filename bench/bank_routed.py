"""How many payments a second whose payer's bank holds the money itself?

Purchases over HTTP from accounts of kind `external` at one bank, which approves each at once: the
switch asks it, and the caller waits for the decision, so the rate is that of approvals. The bank's
server has a process of its own, and its share of the same processors (`bank_us`; `banks_us` is the
process of the switch that calls it). wrk in closed loop, over as many connections as calls of one
bank may be open: what is more would be declined without asking it.

Believed if the bank approved every payment that was, if the switch has answered as often as the
ledger has decided, and if nothing is left pending. `pending` were told so after the wait for a
bank, and were decided later; `declined` are the switch's own doing.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from uuid import UUID

from bench import bank, beside, processor, wrk
from bench.city import Provider
from bench.harness import Measurement
from bench.stage import BenchError, Stage, with_enough
from bench.wrk import Used
from switch.clock import SYSTEM_CLOCK
from switch.limits import BANK_CALLS_MAX
from switch.serving import Serving

NAME = "bank-that-answers"
RATE_GUESS = 2_000.0
ENDPOINT = "decide_payment"
STATUSES = (201, 202)  # decided, and pending

# Since a moment; `asked` are approvals of the bank.
DECIDED = """
SELECT count(*) AS decided, count(*) FILTER (WHERE y.outcome = 0) AS approved,
       count(b.payment) AS asked
  FROM ledger.payment y
  LEFT JOIN ledger.bank_call b
    ON b.payment = y.id AND b.kind = 1 AND b.decision = 'approved' AND y.outcome = 0
 WHERE y.shard = 0 AND y.id >= $1
"""


class BankRouted:
    """Payments that a bank decides."""

    name = "bank-routed"
    asks = "payments of a bank's own customers over HTTP"

    def __init__(self) -> None:
        self._payer: Provider | None = None

    async def prepare(self, stage: Stage) -> None:
        """The bank joins the city."""
        self._payer = await bank.join(stage, NAME)

    async def measure(self, stage: Stage) -> Measurement:
        """One turn, after a warm-up; nothing is open at its end."""
        assert self._payer is not None, "it was prepared"
        connections = min(stage.size.connections, BANK_CALLS_MAX)
        load = wrk.payments(
            stage, stage.city.merchants, providers=[self._payer], connections=connections
        )
        async with beside.serving(partial(bank.application, self._payer), 1) as (url, pids):
            await stage.operator.set_participant(NAME, bank_url=f"{url}{bank.PATH}")
            async with stage.switch(bank.ALLOWED) as switch:

                async def burst(seconds: float, rate_guess: float) -> Measurement:
                    attempt = partial(_burst, stage, switch, load, pids, seconds)
                    return await with_enough(attempt, rate_guess)

                warm = await burst(stage.size.warm_up_s, RATE_GUESS)
                return await burst(stage.size.seconds, warm.per_second)


async def _burst(
    stage: Stage, switch: Serving, load: wrk.Load, pids: list[int], seconds: float, rate: float
) -> Measurement:
    """Payments for some seconds, until the last of them is decided."""
    async with wrk.signed(stage, switch.url, load, rate * seconds) as slices:
        mark, before = stage.mark(), await _answered(switch)
        used, bank_s = Used.now(stage, switch), processor.used_s(pids)
        try:
            result = await wrk.send(switch.url, slices, load.connections, seconds)
        finally:
            used, bank_s = Used.now(stage, switch) - used, processor.used_s(pids) - bank_s
            await bank.settled(stage)
    decided, approved, pending = await _account(stage, switch, mark, before)
    if not 0 <= decided - result["answers"] <= load.connections:
        raise BenchError(f"wrk counted {result['answers']} answers for {decided} decisions")
    await stage.folded()
    return Measurement(
        per_second=wrk.rate(result) * in_time_share(decided, approved, pending),
        seen={
            "approved": approved,
            "pending": pending,
            "declined": decided - approved,
            **wrk.percentiles(result),
            "worker_us": round(1e6 * used.workers_s / max(1, decided)),
            "banks_us": round(1e6 * used.banks_s / max(1, decided)),
            "postgres_us": round(1e6 * used.postgres_s / max(1, decided)),
            "bank_us": round(1e6 * bank_s / max(1, decided)),
        },
    )


async def _answered(switch: Serving) -> tuple[float, float]:
    """How often payments were decided, and how often told to be pending, since the start."""
    decided, pending = [await wrk.answered(switch, ENDPOINT, status) for status in STATUSES]
    return decided, pending


async def _account(
    stage: Stage, switch: Serving, mark: UUID, before: tuple[float, float]
) -> tuple[int, int, int]:
    """Payments decided and approved since, and told to be pending, once ledger and switch agree."""
    ends_s = SYSTEM_CLOCK.monotonic_s() + wrk.ACCOUNT_WAIT_S
    while True:
        row = await stage.operator.connection.fetchrow(DECIDED, mark)
        told, pending = [
            now - then for now, then in zip(await _answered(switch), before, strict=True)
        ]
        if is_accounted_for(row, told, pending):
            return row["decided"], row["approved"], int(pending)
        if SYSTEM_CLOCK.monotonic_s() > ends_s:
            raise BenchError(
                f"the switch answered {told:g} payments and {pending:g} as pending,"
                f" the ledger holds {row['decided']} decisions"
            )
        await asyncio.sleep(0.25)


def is_accounted_for(ledger: Mapping[str, int], told: float, pending: float) -> bool:
    """Whether the ledger holds what was answered; BenchError if a bank's yes is missing."""
    if ledger["asked"] != ledger["approved"]:
        missing = ledger["approved"] - ledger["asked"]
        raise BenchError(f"{missing} payments were approved without their bank's yes")
    return told + pending == ledger["decided"]


def in_time_share(decided: int, approved: int, pending: int) -> float:
    """Of all answers those that were approvals: not declined, and not told to be pending."""
    return max(0, approved - pending) / max(1, decided)
