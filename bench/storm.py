"""Do payments go on while everybody asks how they stand?

Payments in open loop at half of the capacity that was measured just before, and beside them twenty
participants who look at payments and at their feeds, from a process of their own:

    quiet    nobody looks
    within   50 look-ups a second of each, within its budget
    over     250 a second of each, most of which are refused

Each of the two storms is compared with the quiet phase next to it, in pairs, every second pair the
other way round. What a refusal costs is measured without payments: the processor time of the
workers under the storm over budget, less what the look-ups that were served cost within it.
"""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rich.console import Console

from bench import kept, open_loop, pairs, phase, requests, wrk
from bench.harness import Results
from bench.open_loop import NO_ANSWER, Sent
from bench.pairs import Compared, Target
from bench.phase import Ground, Phase
from bench.requests import Watch
from bench.stage import BenchError, Stage
from bench.wrk import Used
from switch.queries import QUERIES

NAME = "storm"
LOAD = 0.5  # of capacity
QUIET, WITHIN, OVER = "quiet", "within", "over"
READS_PER_S = {QUIET: 0.0, WITHIN: 50.0, OVER: 250.0}  # of each participant
READ_CONNECTIONS = 1_000  # of all together: who is answered late asks on all the same
WATCHED = 16  # payments that each looks at
TARGETS = {
    WITHIN: (0.85, 1.15),  # rate at least, p99 at most
    OVER: (0.65, 3.0),
}

# The latest payments of each participant's accounts.
OWN_PAYMENTS = """
SELECT a.participant_no, (array_agg(y.id ORDER BY y.id DESC))[1:$1] AS payments
  FROM (SELECT id, payer, payee FROM ledger.payment WHERE shard = 0 ORDER BY id DESC LIMIT $2) y
  JOIN ledger.account a ON a.shard = 0 AND a.id IN (y.payer, y.payee)
 GROUP BY a.participant_no
"""
LATEST = 2_000  # payments among which everybody has some


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """One run: where, how many payments a second, and where the figures go."""

    ground: Ground
    per_second: float
    results: Results
    console: Console

    async def turn(self, pair_no: int, name: str) -> Phase:
        """One phase, in which look-ups may go on."""
        beside = [await self.look_ups(name)] if READS_PER_S[name] else []
        with self.console.status(f"pair {pair_no}: {name}"):
            seen = await phase.run(self.ground, self.per_second, beside)
        reads = {
            f"reads_{key}": value for sent in seen.beside for key, value in _seen(sent).items()
        }
        self.write(name, pair=pair_no, **seen.seen, **reads)
        return seen

    async def look_ups(self, name: str) -> open_loop.Task:
        """A storm of look-ups, signed now."""
        watches = await _watches(self.ground.stage)
        messages = requests.look_ups(self.ground.authority, watches)
        per_second = READS_PER_S[name] * len(watches)
        return self.ground.task(messages, per_second, READ_CONNECTIONS)

    async def costs(self) -> None:
        """Look-ups alone, within the budget and over it: what each costs, served or refused."""
        served, used = await self._alone(WITHIN)
        served_count = served.count()[200]
        worker_us = 1e6 * used.workers_s / max(1, served_count)
        self.write(
            "a look-up served",
            **_seen(served),
            worker_us=round(worker_us),
            postgres_us=round(1e6 * used.postgres_s / max(1, served_count)),
        )
        sent, used = await self._alone(OVER)
        count = sent.count()
        refused_s = used.workers_s - count[200] * worker_us / 1e6
        refused_count = count.total() - count[200] - count[NO_ANSWER]  # 429, and 503 of who is full
        cost_us = round(1e6 * refused_s / refused_count) if refused_count else None
        self.write("a look-up refused", **_seen(sent), worker_us=cost_us)

    async def _alone(self, name: str) -> tuple[Sent, Used]:
        task = await self.look_ups(name)
        used = Used.now(self.ground.stage, self.ground.switch)
        with self.console.status(f"look-ups alone: {name}"):
            [sent] = await asyncio.to_thread(open_loop.send, [task])
        used = Used.now(self.ground.stage, self.ground.switch) - used
        kept.verify(sent, task.messages, self.ground.keys)
        return sent, used

    def write(self, what: str, **seen: Any) -> None:
        """A line of the results, and of what the reader sees."""
        self.results.write({"question": NAME, "phase": what, **seen})
        shown = "  ".join(f"{name} {value}" for name, value in seen.items())
        self.console.print(f"{NAME}  {what:<18}{shown}", highlight=False, soft_wrap=True)


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Capacity, then pair after pair, then what look-ups cost; the books at the end."""
    await stage.settle()
    async with stage.switch() as switch:
        with console.status("how much it takes"):
            capacity_per_s = await capacity(stage, switch)
        ground = await Ground.at(stage, switch)
        storm = Storm(
            ground=ground, per_second=LOAD * capacity_per_s, results=results, console=console
        )
        storm.write("capacity", per_second=round(capacity_per_s), load=round(storm.per_second))
        ratios: dict[str, list[tuple[float, float]]] = {WITHIN: [], OVER: []}
        for pair_no in range(1, stage.size.pairs + 1):
            for stormy in (WITHIN, OVER):
                turns = pairs.in_turn(pair_no, QUIET, stormy)
                seen = {name: await storm.turn(pair_no, name) for name in turns}
                ratios[stormy].append(phase.ratios(seen[stormy], seen[QUIET]))
        await storm.costs()
    pairs.conclude([one for name in ratios for one in _compared(name, ratios[name])],
                   results, console)  # fmt: skip
    await stage.check_books()


async def capacity(stage: Stage, switch: Any) -> float:
    """Payments a second in closed loop, after a warm-up."""
    load = wrk.payments(stage, stage.city.merchants)
    return (await wrk.warm_burst(stage, switch, load)).per_second


async def _watches(stage: Stage) -> list[Watch]:
    """What everybody looks at: the latest payments of its own, and what comes next in its feed."""
    connection = stage.operator.connection
    holders = stage.city.holders
    rows = await connection.fetch(OWN_PAYMENTS, WATCHED, LATEST)
    payments: dict[int, list[UUID]] = {row["participant_no"]: row["payments"] for row in rows}
    feeds = await connection.fetch(QUERIES["read_feeds"], [holder.number for holder in holders])
    after = {row["participant_no"]: row["last_no"] for row in feeds}
    without = [holder.id for holder in holders if len(payments.get(holder.number, ())) < WATCHED]
    if without:
        raise BenchError(f"too few payments to look at: {', '.join(without)}")
    return [
        Watch(
            holder=holder,
            payments=payments[holder.number],
            after=after.get(holder.number, 0),
        )
        for holder in holders
    ]


def _seen(sent: Sent) -> dict[str, Any]:
    """What became of look-ups."""
    count = sent.count()
    medians = {status: sent.latency_ms(0.50, status) for status in (200, 429)}
    return {
        "asked": count.total(),
        "served": count[200],
        "refused": count[429],
        "other": {status: count[status] for status in sorted(count.keys() - {200, 429})},
        "served_p50_ms": _rounded(medians[200]),
        "refused_p50_ms": _rounded(medians[429]),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _compared(name: str, ratios: list[tuple[float, float]]) -> tuple[Compared, Compared]:
    rate_min, p99_max = TARGETS[name]
    rates, p99s = zip(*ratios, strict=True)
    return (
        Compared(
            target=Target(name=f"{NAME} {name} ÷ quiet: payments", wanted=rate_min, is_floor=True),
            ratios=rates,
        ),
        Compared(
            target=Target(name=f"{NAME} {name} ÷ quiet: p99", wanted=p99_max, is_floor=False),
            ratios=p99s,
        ),
    )
