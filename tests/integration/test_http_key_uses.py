"""When a key last signed: noted in memory, told a moment later, lost by no failure but a kill."""

import asyncio
from typing import Any

from switch.clock import SYSTEM_CLOCK, rfc3339
from tests.databases import Database
from tests.integration.keyring import introduced, own_keys
from tests.integration.town import Town, open_town


async def test_when_a_key_last_signed_is_shown(database: Database, town: Town) -> None:
    """To its participant and to the operator, after the next writing; a proof is no use."""
    async with open_town(database, town.key_dir, key_uses_interval_s=0.05) as other:
        wallet = await other.member("wallet")
        began = rfc3339(SYSTEM_CLOCK.now())
        new = await introduced(other, wallet, "two")

        async def used(name: str) -> Any:
            return (await own_keys(other, wallet))[name]["last_used_at"]

        async with asyncio.timeout(10):
            while await used("one") is None:
                pass
        first = await used("one")
        assert first >= began
        assert await used("two") is None
        async with asyncio.timeout(10):
            while await used("one") == first:
                pass
        async with asyncio.timeout(10):
            while (await own_keys(other, new.member))["two"]["last_used_at"] is None:
                pass
        listed = {row["key_id"]: row for row in await other.operator.keys()}
        assert rfc3339(listed[new.key.key_id]["last_used_at"]) >= began


async def test_the_last_use_is_written_before_a_worker_ends(database: Database, town: Town) -> None:
    """However far away the next writing is."""
    async with open_town(database, town.key_dir) as other:
        wallet = await other.member("wallet")
        assert (await other.send(wallet, "GET", "/v1/keys")).status == 200
        listed = {row["key_id"]: row for row in await other.operator.keys()}
        assert listed[wallet.key.key_id]["last_used_at"] is None
        await other.app.drain()
        listed = {row["key_id"]: row for row in await other.operator.keys()}
        assert listed[wallet.key.key_id]["last_used_at"] is not None


async def test_a_last_use_that_could_not_be_written_is_written_later(
    database: Database, town: Town
) -> None:
    """A ledger that refuses for a while loses nothing."""
    async with open_town(database, town.key_dir, key_uses_interval_s=0.05) as other:
        wallet = await other.member("wallet")
        execute = other.operator.connection.execute
        await execute("ALTER TABLE ledger.key_use RENAME TO key_use_away")
        try:
            assert (await other.send(wallet, "POST", "/v1/keys/none/revoke", key="x")).status == 404
            await asyncio.sleep(0.2)
        finally:
            await execute("ALTER TABLE ledger.key_use_away RENAME TO key_use")
        count = """
            SELECT count(*) FROM ledger.key_use JOIN ledger.participant p USING (participant_no)
             WHERE p.id = $1
        """
        async with asyncio.timeout(10):
            while not await other.operator.connection.fetchval(count, wallet.id):
                pass
