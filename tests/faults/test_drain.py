"""SIGTERM under load: what was accepted is answered, new work is refused, and all of it ends."""

from switch import limits
from switch.clock import SYSTEM_CLOCK
from tests.faults.audit import audit, read_ledger
from tests.faults.load import Load
from tests.faults.wire import UNKNOWN_OUTCOME, Word
from tests.integration.running import is_running, until

DECISIONS_BEFORE = 300


async def test_a_drain_under_load(load: Load) -> None:
    """Whatever a switch that was asked to end has decided, it has told; it ends in time, with 0."""
    switch, journal = load.switch, load.journal
    unknown = journal.details[UNKNOWN_OUTCOME]
    async with load.running():
        await load.decides(DECISIONS_BEFORE)
        everything = switch.children() + switch.server_pids()
        begun_s = SYSTEM_CLOCK.monotonic_s()
        code = await switch.end()
        took_s = SYSTEM_CLOCK.monotonic_s() - begun_s
        connection = switch.connection()
        signer = switch.city.signers["night-market"]
        account = switch.city.of_kind("merchant")[0]
        refused = await connection.send(signer, "GET", f"/v1/accounts/{account.id}")
    assert code == 0, switch.messages
    assert took_s < limits.DRAIN_S
    assert refused.word is Word.NOT_DECIDED, "nobody listens any more"
    await until(lambda: not any(map(is_running, everything)), "workers, jobs and Postgres ended")
    await switch.start()
    told = {(message.sender, message.key) for message in journal.answered}
    untold = (await read_ledger(switch, journal)).keys() - told
    assert not untold, f"decided and not told: {sorted(untold)[:5]}"
    assert journal.details[UNKNOWN_OUTCOME] == unknown, "no link to the ledger was broken"
    await audit(load)
