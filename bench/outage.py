"""Do all others pay on while a bank hangs?

Payments between wallets and merchants in open loop at seven tenths of half of the capacity that was
measured just before, beside the other three tenths, which are sent by a process of their own:

    sound      payments like all others
    hanging    payments of the customers of a bank that takes every request and answers none

Payments of the seven tenths are compared in pairs, every second pair the other way round: the load
is the same in both, only the bank makes a difference. Before the next phase the bank answers again
until nothing waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from bench import bank, pairs, phase, storm
from bench.bank import Bank
from bench.city import Provider
from bench.harness import Results
from bench.open_loop import Task
from bench.pairs import Compared, Target
from bench.phase import Ground, Phase
from bench.stage import BenchError, Stage
from switch.clock import SYSTEM_CLOCK

NAME = "outage"
LOAD = 0.5  # of capacity
BANK_SHARE = 0.3  # of the load
SOUND, HANGING = "sound", "hanging"
BANK_CONNECTIONS = 4_000  # whose answer takes seconds, many are open
RATE_MIN, P99_MAX = 0.90, 1.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One run: where, how many payments a second altogether, and where the figures go."""

    ground: Ground
    bank: Bank
    per_second: float
    results: Results
    console: Console

    async def turn(self, pair_no: int, name: str) -> Phase:
        """One phase, in which three tenths are for the bank that hangs, or are like all others."""
        self.bank.hang()
        asked_count, answered_count = self.bank.asked_count, self.bank.answered_count
        is_hanging = name == HANGING
        beside = await self._beside([self.bank.payer] if is_hanging else self._providers)
        with self.console.status(f"pair {pair_no}: {name}"):
            seen = await phase.run(self.ground, (1 - BANK_SHARE) * self.per_second, [beside])
            if self.bank.answered_count > answered_count:
                raise BenchError("the bank answered while it should have hung")
            asked_count = self.bank.asked_count - asked_count
            if bool(asked_count) != is_hanging:
                raise BenchError(f"the bank was asked {asked_count} times in a phase {name!r}")
            await self.bank.rest()
        [others] = seen.beside
        count = others.count()
        answers = {status: count[status] for status in sorted(count)}
        self.write(name, pair=pair_no, **seen.seen, bank_asked=asked_count, beside=answers)
        return seen

    @property
    def _providers(self) -> Sequence[Provider]:
        return self.ground.stage.city.providers

    async def _beside(self, payers: Sequence[Provider]) -> Task:
        """The other three tenths, signed now."""
        per_second = BANK_SHARE * self.per_second
        count = self.ground.task((), per_second, BANK_CONNECTIONS).count
        prefix = f"beside-{SYSTEM_CLOCK.now_us():016}"
        messages = await self.ground.sign(payers, prefix, count)
        return self.ground.task(messages, per_second, BANK_CONNECTIONS)

    def write(self, what: str, **seen: Any) -> None:
        """A line of the results, and of what the reader sees."""
        self.results.write({"question": NAME, "phase": what, **seen})
        shown = "  ".join(f"{name} {value}" for name, value in seen.items())
        self.console.print(f"{NAME}  {what:<18}{shown}", highlight=False, soft_wrap=True)


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Capacity, then pair after pair; the books at the end."""
    await stage.settle()
    async with bank.hanging(stage) as hanging, stage.switch(bank.ALLOWED) as switch:
        with console.status("how much it takes"):
            capacity_per_s = await storm.capacity(stage, switch)
        outage = Outage(
            ground=await Ground.at(stage, switch),
            bank=hanging,
            per_second=LOAD * capacity_per_s,
            results=results,
            console=console,
        )
        outage.write("capacity", per_second=round(capacity_per_s), load=round(outage.per_second))
        rates, p99s = [], []
        for pair_no in range(1, stage.size.pairs + 1):
            turns = pairs.in_turn(pair_no, SOUND, HANGING)
            seen = {name: await outage.turn(pair_no, name) for name in turns}
            rate, p99 = phase.ratios(seen[HANGING], seen[SOUND])
            rates.append(rate)
            p99s.append(p99)
    pairs.conclude(
        [
            Compared(
                target=Target(
                    name=f"{NAME} {HANGING} ÷ {SOUND}: payments", wanted=RATE_MIN, is_floor=True
                ),
                ratios=tuple(rates),
            ),
            Compared(
                target=Target(
                    name=f"{NAME} {HANGING} ÷ {SOUND}: p99", wanted=P99_MAX, is_floor=False
                ),
                ratios=tuple(p99s),
            ),
        ],
        results,
        console,
    )
    await stage.check_books()
