"""Links to the ledger that break while it decides: unknown is said, and it is the truth."""

import asyncio
import random

from tests.faults.audit import audit
from tests.faults.load import Load
from tests.faults.wire import UNKNOWN_OUTCOME
from tests.integration.running import until

BREAKS = 15
BREAKS_LONG = 150
PAUSE_S_MAX = 0.1

# Any one lane that is deciding at this very moment, wherever in its transaction or commit it is.
END_ONE = """
    SELECT pg_terminate_backend(pid)
      FROM (SELECT pid FROM pg_stat_activity
             WHERE application_name = 'switch lane' AND state = 'active'
             ORDER BY random() LIMIT 1) AS lane
"""


async def test_links_that_break_while_deciding(load: Load, seed: int, long_run: bool) -> None:
    """Whoever gets 504 learns the one decision by asking again, whichever way it went."""
    chance = random.Random(f"{seed} broken links")
    unknown = load.journal.details[UNKNOWN_OUTCOME]
    connection = await load.switch.operator_connection()

    async def broke_one() -> bool:
        await asyncio.sleep(chance.uniform(0.0, PAUSE_S_MAX))
        return await connection.fetchval(END_ONE) is True

    try:
        async with load.running():
            for _ in range(BREAKS_LONG if long_run else BREAKS):
                await until(broke_one, "a lane was deciding")
            await load.decides(1)
    finally:
        await connection.close()
    await audit(load)
    assert load.journal.details[UNKNOWN_OUTCOME] > unknown, "none of them was deciding"
