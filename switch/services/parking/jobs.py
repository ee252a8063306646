"""The loop that holds on for stays that last longer than their hold."""

import asyncpg

from switch.clock import Clock
from switch.ledger import new_id
from switch.loops import Job
from switch.service import JobCore
from switch.services.parking import limits
from switch.services.parking.desk import QUERIES


class Holder:
    """Makes the next hold of a stay before the last one ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def turn(self, connection: asyncpg.Connection) -> float:
        """One stay; a pause when none is due."""
        ids = [new_id(self._clock.now_us())]
        due = await connection.fetchval(QUERIES["hold_on"], ids, limits.HOLD_ON_S, limits.HOLDS_MAX)
        return 0.0 if due else limits.HOLD_ON_INTERVAL_S


def jobs(core: JobCore) -> tuple[Job, ...]:
    """What the service does beside answering."""
    turn = Holder(core.clock).turn
    return (Job(name="parking_hold_on", turn_s_max=limits.HOLD_ON_S_MAX, turn=turn),)
