"""Links to the ledger that break while it decides: unknown is said, and it is the truth."""

import asyncio
import random

from tests.faults.audit import audit
from tests.faults.load import Load
from tests.faults.wire import UNKNOWN_OUTCOME
from tests.integration.running import until

UNKNOWN_COUNT = 30
UNKNOWN_COUNT_LONG = 300
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
    details = load.journal.details
    target = details[UNKNOWN_OUTCOME] + (UNKNOWN_COUNT_LONG if long_run else UNKNOWN_COUNT)
    connection = await load.switch.operator_connection()

    async def broke_enough() -> bool:
        await connection.fetch(END_ONE)
        await asyncio.sleep(chance.uniform(0.0, PAUSE_S_MAX))
        return details[UNKNOWN_OUTCOME] >= target

    try:
        async with load.running():
            await until(broke_enough, "enough outcomes became unknown")
    finally:
        await connection.close()
    await audit(load)
