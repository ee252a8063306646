"""What is left when twice as much comes as the switch can take, and when one participant floods?

    capacity  payments a second in closed loop, measured before each pair
    twice     twice as many in open loop, from many more callers than can be served
    flood     as many by one participant, beside a tenth of the capacity by another

What comes beyond the capacity is refused before its signature is checked, with an answer that is
not signed. The generator works on the same processors as the switch.
"""

from dataclasses import dataclass
from typing import Any

from rich.console import Console

from bench import pairs, phase, storm
from bench.harness import Results
from bench.pairs import Compared, Target
from bench.phase import DECIDED, Ground, Phase
from bench.stage import Stage
from switch.clock import SYSTEM_CLOCK

NAME = "overload"
LOAD = 2.0  # of capacity
CALLERS = 2_000  # each has one payment under way at a time
MODEST = 0.1  # of capacity: what the other participant sends
MODEST_CALLERS = 256
GOODPUT_MIN, P99_MS_MAX, SERVED_MIN = 0.65, 250.0, 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """One run: where, and where the figures go."""

    ground: Ground
    results: Results
    console: Console

    async def twice(self, pair_no: int, capacity_per_s: float) -> Phase:
        """More than it can take, of everybody."""
        with self.console.status(f"pair {pair_no}: twice"):
            seen = await phase.run(self.ground, LOAD * capacity_per_s, connections=CALLERS)
        accepted_ms = {
            f"accepted_p{share * 100:g}_ms": seen.payments.latency_ms(share, DECIDED)
            for share in (0.5, 0.99)
        }
        self.write("twice", pair=pair_no, **seen.seen, **accepted_ms, answers=_answers(seen))
        return seen

    async def flood(self, pair_no: int, capacity_per_s: float) -> Phase:
        """More than it can take, of one; the phase is that of the other."""
        ground, (flooding, modest, *_) = self.ground, self.ground.stage.city.providers
        per_second = LOAD * capacity_per_s
        with self.console.status(f"pair {pair_no}: flood"):
            messages = await ground.sign(
                [flooding],
                f"flood-{SYSTEM_CLOCK.now_us():016}",
                ground.task((), per_second, CALLERS).count,
            )
            seen = await phase.run(
                ground,
                MODEST * capacity_per_s,
                [ground.task(messages, per_second, CALLERS)],
                payers=[modest],
                connections=MODEST_CALLERS,
            )
        self.write("flood", pair=pair_no, **seen.seen, served=served(seen), answers=_answers(seen))
        return seen

    def write(self, what: str, **seen: Any) -> None:
        """A line of the results, and of what the reader sees."""
        self.results.write({"question": NAME, "phase": what, **seen})
        shown = "  ".join(f"{name} {value}" for name, value in seen.items())
        self.console.print(f"{NAME}  {what:<10}{shown}", highlight=False, soft_wrap=True)


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Pair after pair, each with a capacity of its own; the books at the end."""
    await stage.settle()
    goodputs, p99s_ms, shares = [], [], []
    async with stage.switch() as switch:
        overload = Overload(ground=await Ground.at(stage, switch), results=results, console=console)
        for pair_no in range(1, stage.size.pairs + 1):
            with console.status("how much it takes"):
                capacity_per_s = await storm.capacity(stage, switch)
            overload.write("capacity", pair=pair_no, per_second=round(capacity_per_s))
            twice = await overload.twice(pair_no, capacity_per_s)
            goodputs.append(twice.per_second / capacity_per_s)
            p99s_ms.append(twice.payments.latency_ms(0.99, DECIDED) or float("inf"))
            shares.append(served(await overload.flood(pair_no, capacity_per_s)))
    wanted = (
        ("goodput ÷ capacity", goodputs, GOODPUT_MIN, True),
        ("p99 of the accepted in ms", p99s_ms, P99_MS_MAX, False),
        ("served of who does not flood", shares, SERVED_MIN, True),
    )
    pairs.conclude(
        [
            Compared(
                target=Target(name=f"{NAME}: {name}", wanted=bound, is_floor=is_floor),
                ratios=tuple(seen),
            )
            for name, seen, bound, is_floor in wanted
        ],
        results,
        console,
    )
    await stage.check_books()


def served(seen: Phase) -> float:
    """The share of a participant's payments that were decided."""
    count = seen.payments.count()
    return count[DECIDED] / count.total()


def _answers(seen: Phase) -> dict[str, dict[int, int]]:
    """How many answers of each status, of the payments and of what was beside them."""
    names = ("payments", *("beside" for _ in seen.beside))
    return {
        name: dict(sorted(sent.count().items()))
        for name, sent in zip(names, (seen.payments, *seen.beside), strict=True)
    }
