"""The loop that draws lots and gives what was won."""

import asyncpg

from switch.clock import Clock
from switch.ledger import new_id
from switch.loops import Job
from switch.service import JobCore
from switch.services.red_packets import limits
from switch.services.red_packets.desk import QUERIES


class Giver:
    """Draws what is due, opens purses for who has won, and fills them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def turn(self, connection: asyncpg.Connection) -> float:
        """One draw, so many entries and gifts; a pause, long when there is nothing to do."""
        now_us = self._clock.now_us()
        drawn = await connection.fetchval(QUERIES["draw_next"])
        told = await connection.fetchval(QUERIES["tell_next"], limits.ENTRIES_A_TURN)
        opened = 0
        while opened < limits.GIFTS_A_TURN and await connection.fetchval(
            QUERIES["open_next"], new_id(now_us), limits.RETRY_S
        ):
            opened += 1
        ids = [new_id(now_us) for _ in range(limits.GIFTS_A_TURN)]
        given = await connection.fetchval(QUERIES["give_next"], ids, limits.RETRY_S)
        is_idle = drawn is None and not told and not opened and not given
        return limits.GIVE_IDLE_S if is_idle else limits.GIVE_PAUSE_S


def jobs(core: JobCore) -> tuple[Job, ...]:
    """What the service does beside answering."""
    turn = Giver(core.clock).turn
    return (Job(name="red_packets_give", turn_s_max=limits.GIVE_S_MAX, turn=turn),)
