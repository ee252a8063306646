"""What does the deciding function make of small batches and of hot accounts?

`ledger.authorize_batch` as in `function`, without HTTP, at every combination of

    batch          messages a call, up to the most that a lane sends
    hot payee      the share of all payments that goes to one merchant
    hot payer      the share that comes from one wallet, the same on all connections
    connections    each a process of its own

"""

from functools import partial
from itertools import count, product

from rich.console import Console

from bench import function
from bench.function import Mix
from bench.harness import Measurement, Results
from bench.stage import Stage, with_enough
from bench.sweep import Point, walk
from switch.limits import BATCH_SIZE_MAX

NAME = "ledger"
BATCH_SIZES = (1, 4, 16, 64, BATCH_SIZE_MAX)
HOT_PAYEE_PERCENT = (0, 10, 50, 100)
HOT_PAYER_PERCENT = (0, 10)
POINT_S_MAX = 2.0  # there are many points
RATE_GUESS_SMALL = 2_000.0  # of one connection with batches of one


async def report(stage: Stage, results: Results, console: Console) -> None:
    """Every point in every round; the books at the end."""
    await stage.settle()
    hot_payer_nos = count()  # another one each time: one wallet's money would not last
    rates: dict[tuple[int, ...], float] = {}

    async def measure(at: Point) -> Measurement:
        mix = Mix(
            batch_size=at["batch_size"],
            hot_payee_percent=at["hot_payee_percent"],
            hot_payer_percent=at["hot_payer_percent"],
            hot_payer_no=next(hot_payer_nos),
        )
        seconds = min(stage.size.seconds, POINT_S_MAX)
        share = at["batch_size"] / BATCH_SIZE_MAX
        guess = RATE_GUESS_SMALL + share * function.RATE_GUESS
        key = tuple(at.values())
        ask = partial(function.rate, stage, at["connections"], seconds, mix=mix)
        rates[key] = await with_enough(ask, rates.get(key, guess * min(at["connections"], 2)))
        waiting = await stage.waiting_credits()
        await stage.folded()
        return Measurement(per_second=rates[key], seen={"unfolded": waiting})

    async with stage.switch():
        for round_no in range(1, stage.size.rounds + 1):
            await walk(NAME, round_no, points(stage), measure, results, console)
    await stage.check_books()


def points(stage: Stage) -> list[Point]:
    """Every combination; in a small run the first and the last."""
    names = ("batch_size", "hot_payee_percent", "hot_payer_percent", "connections")
    values = (BATCH_SIZES, HOT_PAYEE_PERCENT, HOT_PAYER_PERCENT, function.CONNECTIONS)
    every = [dict(zip(names, one, strict=True)) for one in product(*values)]
    return every if stage.size.is_thorough else [every[0], every[-1]]
