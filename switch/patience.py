"""Waiting for a bank, on the participant's side: the same message again until it is decided."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from switch.clock import Clock
from switch.limits import CLIENT_PENDING_PAUSE_S
from switch.message import Payment, Step

Made = TypeVar("Made", Payment, Payment | Step)


async def until_decided(
    send: Callable[[], Awaitable[Made]], *, wait_s: float, clock: Clock
) -> Made:
    """What `send` answers in the end, or `pending` when the time is over; it is sent once at least.

    The switch keeps each of these messages for some seconds itself, so there are few of them.
    """
    ends_s = clock.monotonic_s() + wait_s
    while True:
        answer = await send()
        left_s = ends_s - clock.monotonic_s()
        if answer.status != "pending" or left_s <= 0:
            return answer
        await asyncio.sleep(min(CLIENT_PENDING_PAUSE_S, left_s))
