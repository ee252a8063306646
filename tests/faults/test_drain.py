"""SIGTERM under load: what was accepted is answered, new work is refused, and all of it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from switch import limits
from switch.clock import SYSTEM_CLOCK
from tests.faults.audit import audit, read_ledger
from tests.faults.city import Switch
from tests.faults.load import CONNECTION_COUNT, Load
from tests.faults.wire import BROKEN, UNKNOWN_OUTCOME, Word
from tests.integration.running import is_running, until

DECISIONS_BEFORE = 300
HELD_BACK_S = 1.5  # well below the statements' time-out


@asynccontextmanager
async def nothing_is_decided(switch: Switch) -> AsyncIterator[None]:
    """Whoever decides has to wait while this lasts."""
    connection = await switch.operator_connection()
    try:
        await connection.execute("BEGIN; LOCK TABLE ledger.account IN EXCLUSIVE MODE")
        yield
    finally:
        connection.terminate()  # and with it ends the transaction


async def test_a_drain_under_load(load: Load) -> None:
    """A switch that was asked to end answers all that it accepted, decides no more, and ends."""
    switch, journal = load.switch, load.journal
    lost = journal.details[BROKEN], journal.details[UNKNOWN_OUTCOME]

    async def all_wait() -> bool:
        return await switch.in_flight_count() == CONNECTION_COUNT

    async with load.running():
        await load.decides(DECISIONS_BEFORE)
        everything = switch.children() + switch.server_pids()
        async with nothing_is_decided(switch):
            await until(all_wait, "every connection has a message that was accepted")
            begun_s = SYSTEM_CLOCK.monotonic_s()
            ending = asyncio.create_task(switch.end())
            await asyncio.sleep(HELD_BACK_S)
        code = await ending
        took_s = SYSTEM_CLOCK.monotonic_s() - begun_s
        account = switch.city.of_kind("merchant")[0]
        signer = switch.city.signers[account.holder]
        refused = await switch.connection().send(signer, "GET", f"/v1/accounts/{account.id}")
    assert code == 0, switch.messages
    assert took_s < limits.DRAIN_S
    assert refused.word is Word.NOT_DECIDED, "nobody listens any more"
    await until(lambda: not any(map(is_running, everything)), "workers, jobs and Postgres ended")
    assert (journal.details[BROKEN], journal.details[UNKNOWN_OUTCOME]) == lost, journal.details
    await switch.start()
    told = {(message.sender, message.key) for message in journal.answered}
    untold = (await read_ledger(switch, journal)).keys() - told
    assert not untold, f"decided and not told: {sorted(untold)[:5]}"
    await audit(load)
