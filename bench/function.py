"""How many payments a second does the deciding function take by itself?

`ledger.authorize_batch` as a lane calls it, in full batches, on 1 to 4 connections; the best of
them counts. Each connection is a process of its own, as lanes of several workers are, logged in as
a worker; its orders are made before the clock starts, and its payers are its own share of all
wallets, as the router deals them to lanes. A switch stands beside it whose jobs fold.
"""

import asyncio
import gc
import multiprocessing
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from uuid import UUID

from bench.city import Provider, order, reference
from bench.harness import Measurement
from bench.stage import BenchError, RanOut, Stage, with_enough
from switch import db, ledger, limits
from switch.clock import SYSTEM_CLOCK
from switch.ledger import Order

CONNECTIONS = (1, 2, 3, 4)
RATE_GUESS = 12_000.0  # of one connection alone, for the first time: orders made beforehand
SPARE = 1.5  # made for each order expected: they must not run out
READY_WAIT_S = 120.0  # for all connections to have made their orders
WARM_UP_BATCHES = 4  # eight are made beyond what is expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How large batches are, how many payments meet on one account, and what they bear."""

    batch_size: int = limits.BATCH_SIZE_MAX
    hot_payee_percent: int = 0
    hot_payer_percent: int = 0
    hot_payer_no: int = 0  # which wallet that is
    has_reference: bool = False


PLAIN = Mix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one connection has to do."""

    url: str
    providers: Sequence[Provider]
    payees: Sequence[UUID]
    share: tuple[int, int]  # which of how many shares of the wallets
    order_count: int
    seconds: float
    key_prefix: str
    mix: Mix
    is_made_before: bool  # its orders: before the clock starts, else each batch when it is due


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one connection has done, by the machine's monotonic clock."""

    decided: int  # under the clock
    warm_up: int  # before it
    began_s: float
    ended_s: float
    exhausted: bool


class Function:
    """Full batches, without HTTP and signatures."""

    name = "function"
    asks = f"the deciding function at batch {limits.BATCH_SIZE_MAX}"

    def __init__(self) -> None:
        self._rates: dict[int, float] = {}  # seen before, by number of connections

    async def prepare(self, stage: Stage) -> None:
        """Nothing: the city is there."""

    async def measure(self, stage: Stage) -> Measurement:
        """One turn: every number of connections, one after the other; the best counts."""
        seconds = stage.size.seconds / 2
        rates: dict[int, float] = {}
        async with stage.switch():
            await with_enough(
                partial(rate, stage, CONNECTIONS[0], stage.size.warm_up_s), RATE_GUESS
            )
            for count in CONNECTIONS:
                await stage.folded()
                guess = self._rates.get(count, RATE_GUESS * min(count, 2))
                rates[count] = await with_enough(partial(rate, stage, count, seconds), guess)
                self._rates[count] = rates[count]
            waiting = await stage.waiting_credits()
            folded_s = await stage.folded()
        best = max(rates, key=lambda count: rates[count])
        seen = {f"on_{count}": round(rate) for count, rate in rates.items()}
        return Measurement(
            per_second=rates[best],
            seen={"best_on": best, **seen, "unfolded": waiting, "folded_s": round(folded_s, 2)},
        )


async def rate(
    stage: Stage, count: int, seconds: float, rate_guess: float, mix: Mix = PLAIN
) -> float:
    """Decisions a second on this many connections, once the ledger agrees."""
    order_count = int(SPARE * rate_guess * seconds / count) + 8 * mix.batch_size
    results = await decided(stage, count, order_count, seconds, mix)
    if any(result.exhausted for result in results):
        raise RanOut("a connection ran out of orders")
    duration_s = max(r.ended_s for r in results) - min(r.began_s for r in results)
    return sum(result.decided for result in results) / duration_s


async def decided(
    stage: Stage,
    count: int,
    order_count: int,
    seconds: float,
    mix: Mix,
    *,
    is_made_before: bool = True,
) -> list[Result]:
    """What so many connections did with so many orders each, once the ledger agrees."""
    tasks = [
        Task(
            url=stage.database.url("switch_worker_login"),
            providers=stage.city.providers,
            payees=stage.city.merchants,
            share=(number, count),
            order_count=order_count,
            seconds=seconds,
            key_prefix=f"{SYSTEM_CLOCK.now_us()}-{number}",
            mix=mix,
            is_made_before=is_made_before,
        )
        for number in range(count)
    ]
    mark = stage.mark()
    results = await asyncio.to_thread(run_side_by_side, tasks)
    verdicts = sum(result.decided + result.warm_up for result in results)
    if verdicts != await stage.decided_since(mark):
        raise BenchError(f"{verdicts} verdicts are not what the ledger holds")
    return results


def run_side_by_side(tasks: Sequence[Task]) -> list[Result]:
    """One process for each task; their clocks start together."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(len(tasks))
    pipes = [context.Pipe(duplex=False) for _ in tasks]
    processes = [
        context.Process(target=decide_in_process, args=(task, start, writing), daemon=True)
        for task, (_, writing) in zip(tasks, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    for _, writing in pipes:
        writing.close()
    try:
        return [reading.recv() for reading, _ in pipes]
    except EOFError:
        raise BenchError("a connection failed; its message is above") from None
    finally:
        for process in processes:
            process.kill()
            process.join()


def decide_in_process(task: Task, start: Barrier, writing: Connection) -> None:
    """The whole life of one connection."""
    import uvloop

    writing.send(uvloop.run(_decide(task, start)))


async def _decide(task: Task, start: Barrier) -> Result:
    made = iter(list(batches(task))) if task.is_made_before else batches(task)
    connection = await db.connect(task.url, application_name="bench function")
    statements = await ledger.prepare(connection)
    warm_up = 0
    for orders in islice(made, WARM_UP_BATCHES):
        warm_up += len(await ledger.authorize_batch(statements, orders))
    gc.collect()
    gc.freeze()  # a worker has no hundred thousand orders for the collector to look at
    await asyncio.to_thread(start.wait, READY_WAIT_S)
    decided = 0
    began_s = ended_s = SYSTEM_CLOCK.monotonic_s()
    for orders in made:
        verdicts = await ledger.authorize_batch(statements, orders)
        decided += len(verdicts)
        ended_s = SYSTEM_CLOCK.monotonic_s()
        if ended_s - began_s >= task.seconds:
            break
    await connection.close()
    return Result(
        decided=decided,
        warm_up=warm_up,
        began_s=began_s,
        ended_s=ended_s,
        exhausted=ended_s - began_s < task.seconds,
    )


def batches(task: Task) -> Iterator[list[Order]]:
    """Batches of purchases from this connection's share of the wallets, and from the hot one."""
    chosen = random.Random(task.key_prefix)
    number, count = task.share
    mix = task.mix
    hot_payer = _wallet(task.providers, mix.hot_payer_no)
    payers = [
        (provider, wallet)
        for provider in task.providers
        for wallet in provider.wallets
        if wallet.int % count == number
    ]
    orders = []
    for position in range(task.order_count // mix.batch_size * mix.batch_size):
        is_hot = chosen.randrange(100) < mix.hot_payer_percent
        provider, payer = hot_payer if is_hot else chosen.choice(payers)
        is_to_hot = chosen.randrange(100) < mix.hot_payee_percent
        orders.append(
            order(
                provider.id,
                provider.number,
                "purchase",
                payer,
                task.payees[0] if is_to_hot else chosen.choice(task.payees),
                amount=chosen.randint(1_000, 9_999),
                key=f"{task.key_prefix}-{position:08}",
                reference=reference(chosen) if mix.has_reference else None,
            )
        )
        if len(orders) == mix.batch_size:
            yield orders
            orders = []


def _wallet(providers: Sequence[Provider], number: int) -> tuple[Provider, UUID]:
    """The wallet of this number: first one of each provider, then the next of each."""
    provider = providers[number % len(providers)]
    return provider, provider.wallets[number // len(providers) % len(provider.wallets)]
