"""Look-ups are let in one by one, and not while payments are gathered."""

import asyncio
from itertools import pairwise

import pytest

from switch import limits
from switch.errors import Problem
from switch.router import Router
from switch.turns import Turns
from tests.unit.router_stage import order, stage


async def test_one_is_let_in_a_turn_in_the_order_they_came() -> None:
    """Whatever else is ready is done between two of them."""
    turns, log = Turns(lambda: False), []

    async def look_up(number: int) -> None:
        assert await turns.take() is None
        log.append(f"look-up {number}")

    async def pay() -> None:
        for _ in range(8):
            log.append("payment")
            await asyncio.sleep(0)

    await asyncio.gather(*(look_up(number) for number in range(4)), pay())
    seen = [entry for entry in log if entry != "payment"]
    assert seen == [f"look-up {number}" for number in range(4)]
    for one, next_one in pairwise(seen):
        assert "payment" in log[log.index(one) : log.index(next_one)]


async def test_none_is_let_in_while_it_is_held() -> None:
    """They wait, and go on by themselves; who has gone meanwhile takes nobody's turn."""
    held = True
    turns = Turns(lambda: held)
    waiting = [asyncio.create_task(turns.take()) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    held = False
    assert await asyncio.gather(*waiting[1:]) == [None, None]
    await asyncio.sleep(0)
    assert await turns.take() is None


async def test_one_too_many_is_refused_at_once() -> None:
    """The queue has a bound."""
    held = True
    turns = Turns(lambda: held)
    waiting = [asyncio.create_task(turns.take()) for _ in range(limits.LOOK_UPS_WAITING_MAX)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        refusal = await turns.take()
    assert isinstance(refusal, Problem)
    assert (refusal.name, refusal.retry_after_s) == ("overloaded", limits.RETRY_AFTER_S)
    held = False
    assert await asyncio.gather(*waiting) == [None] * len(waiting)


@pytest.mark.parametrize("is_of_steps", [False, True])
async def test_it_is_known_while_a_batch_is_gathered(is_of_steps: bool) -> None:
    """Only until the batch leaves, or nobody is there to send it: look-ups wait for that long."""
    async with stage() as made, stage() as idle:
        lanes = (idle.lane, made.lane) if is_of_steps else (made.lane, idle.lane)
        router = Router(
            lanes[:1], steps=lanes[1], in_flight=made.in_flight, in_batches=made.in_batches
        )
        assert not router.is_gathering
        tasks = [made.send(order("first"))]
        seen = []
        for _ in range(20):
            await asyncio.sleep(0)
            seen.append(router.is_gathering)
        assert True in seen
        assert len(made.link.batches) == 1
        assert not router.is_gathering, "it has left, and is not decided yet"
        tasks.append(made.send(order("second")))
        made.link.gate.set()
        await tasks[0]
        for _ in range(20):
            if router.is_gathering:
                break
            await asyncio.sleep(0)
        assert router.is_gathering
        await made.lane.stop()
        assert not router.is_gathering
        tasks[1].cancel()
