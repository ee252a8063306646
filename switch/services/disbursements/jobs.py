"""The loop that pays what was approved: a batch a turn, whatever of it was done before a crash."""

import asyncpg
from prometheus_client import Counter

from switch.ledger import new_id
from switch.loops import Job
from switch.service import JobCore
from switch.services.disbursements import limits
from switch.services.disbursements.desk import QUERIES


class Payer:
    """Pays the lines of disbursements, the oldest disbursement first."""

    def __init__(self, core: JobCore) -> None:
        self._clock = core.clock
        self._tried = Counter(
            "switch_disbursements_lines", "Lines of disbursements that were tried",
            registry=core.registry,
        )  # fmt: skip

    async def turn(self, connection: asyncpg.Connection) -> float:
        """One batch; a pause when there is nothing to pay."""
        now_us = self._clock.now_us()
        ids = [new_id(now_us) for _ in range(limits.BATCH_SIZE)]
        tried = int(await connection.fetchval(QUERIES["pay_next"], ids))
        self._tried.inc(tried)
        return 0.0 if tried else limits.IDLE_S


def jobs(core: JobCore) -> tuple[Job, ...]:
    """What the service does beside answering."""
    pay = Job(name="disbursements_pay", turn_s_max=limits.PAY_S_MAX, turn=Payer(core).turn)
    return (pay,)
