"""Changing a key while payments flow, on two worker processes, as docs/INTEGRATING.md tells it."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switch import keyfile
from switch.admin import connected
from switch.client import Client, ClientError, Unreachable
from switch.signature import signing_key
from tests.databases import ADMIN, Database
from tests.integration.running import (
    CLIENT_DEADLINE_S,
    Payer,
    Running,
    external,
    paying,
    serving,
    switch,
    until,
)
from tests.integration.test_rotation import none_refused, traffic

PAYERS = 8
PAYMENTS = 25  # of each payer by each key, at least
CHANGES, CHANGES_LONG = 1, 10


class Stream:
    """Payments that never stop, each signed with the key that is in use at that moment."""

    def __init__(self, payer: Payer) -> None:
        self.payer = payer
        self.client = payer.client
        self.paid: dict[int, int] = {}  # by the client that signed
        self.failures: list[ClientError] = []
        self._is_ending = False
        self._under_way: dict[int, int] = {}

    async def run(self) -> None:
        """Pay until told to end."""
        while not self._is_ending:
            client = self.client
            self._under_way[id(client)] = self._under_way.get(id(client), 0) + 1
            try:
                payment = await client.pay(
                    type="purchase", payer=self.payer.wallet, payee=self.payer.shop, amount=1,
                    currency="CNY",
                )  # fmt: skip
                assert payment.status == "completed", payment.reason
                self.paid[id(client)] = self.paid.get(id(client), 0) + 1
            except ClientError as error:
                self.failures.append(error)
            finally:
                self._under_way[id(client)] -= 1

    async def until_paid(self, client: Client, count: int) -> None:
        """Wait for so many payments signed by one client."""
        await until(lambda: self.paid.get(id(client), 0) >= count or self.failures, "payments flow")

    async def until_idle(self, client: Client) -> None:
        """Wait for the last payments of a client that is no longer in use."""
        assert self.client is not client
        await until(lambda: not self._under_way[id(client)], "its payments are answered")

    def end(self) -> None:
        """Begin no more."""
        self._is_ending = True


def client_of(payer: Payer, running: Running, name: str, seed: bytes) -> Client:
    """A client of the same participant with another key."""
    participant = payer.key_id.partition("/")[0]
    return Client(
        running.url, key_id=f"{participant}/{name}", key=seed, deadline_s=CLIENT_DEADLINE_S
    )


async def test_a_key_is_changed_while_payments_flow(database: Database, tmp_path: Path) -> None:
    """Introduced, confirmed, used, the old one revoked: not one payment is refused or lost."""
    options = external(database, tmp_path)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(tmp_path, *options, "--workers", 2))
        payer = await stack.enter_async_context(paying(running.url, database.url(ADMIN), tmp_path))
        seed = keyfile.generate_seed()
        new = await stack.enter_async_context(client_of(payer, running, "two", seed))
        old, stream = payer.client, Stream(payer)
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            for _ in range(PAYERS):
                group.create_task(stream.run())
            await stream.until_paid(old, PAYERS * PAYMENTS)
            made = await old.introduce_key("two", seed)
            stream.client = new
            await stream.until_paid(new, PAYERS * PAYMENTS)
            await stream.until_idle(old)
            said = await switch(
                "key", "confirm", made.id, "--json", SWITCH_ADMIN_DATABASE_URL=database.url(ADMIN)
            )
            assert said.code == 0, said
            assert (await new.revoke_key("one")).revoked == [payer.key_id]
            await stream.until_paid(new, 2 * PAYERS * PAYMENTS)
            stream.end()
        assert not stream.failures
        with pytest.raises(Unreachable, match="key-unknown"):
            await old.account(payer.wallet)
        spent = sum(stream.paid.values())
        assert (await new.account(payer.wallet)).balance == 10**12 - spent
        shown = {key.name: key for key in (await new.keys_page()).data}
        listed = [key.name async for key in new.keys()]  # noqa: SIM118  no dictionary
        assert listed == ["one", "two"]
        assert shown["one"].revoked_at is not None
        assert (shown["two"].revoked_at, shown["two"].introduced_by) == (None, payer.key_id)


async def test_no_attempt_to_pay_is_refused_while_keys_are_changed(
    database: Database, tmp_path: Path, long_run: bool
) -> None:
    """Who signs with a new key once every worker knows it meets no refusal, not even a passing one.

    Nothing is sent twice here: each payment is one attempt, on a connection of its own.
    """
    admin_url = database.url(ADMIN)
    async with (
        serving(tmp_path, *external(database, tmp_path), "--workers", 2) as running,
        paying(running.url, admin_url, tmp_path) as payer,
        connected(admin_url) as operator,
    ):
        async with traffic(running.url, payer) as made, AsyncExitStack() as stack:
            client = payer.client
            for number in range(CHANGES_LONG if long_run else CHANGES):
                await until_more_paid(made.paid)
                old, seed = made.key, keyfile.generate_seed()
                introduced = await client.introduce_key(f"new-{number}", seed)
                new = replace(made, key=signing_key(introduced.id, seed), signed_by=[])
                await until(new.is_known, "every worker knows the new key")
                client = await stack.enter_async_context(
                    client_of(payer, running, f"new-{number}", seed)
                )
                made.key = new.key
                await until_more_paid(made.paid)
                await until(lambda old=old: not made.under_way[old.key_id], "the old one is idle")
                await operator.confirm_key(introduced.id)
                await client.revoke_key(old.key_id.partition("/")[2])
            await until_more_paid(made.paid)
        await none_refused(running, made)
        assert await running.end() == 0


async def until_more_paid(paid: list[dict[str, Any]]) -> None:
    """Wait for so many payments more."""
    wanted = len(paid) + PAYERS * PAYMENTS
    await until(lambda: len(paid) >= wanted, "payments flow")


async def test_every_worker_forgets_a_revoked_key(database: Database, tmp_path: Path) -> None:
    """However many connections are open, on whichever worker: all are refused, and stay so."""
    options = external(database, tmp_path)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(tmp_path, *options, "--workers", 2))
        payer = await stack.enter_async_context(paying(running.url, database.url(ADMIN), tmp_path))
        seed = keyfile.generate_seed()
        await payer.client.introduce_key("two", seed)
        clients = [
            await stack.enter_async_context(client_of(payer, running, "two", seed))
            for _ in range(24)  # the kernel spreads their connections over the workers
        ]
        await asyncio.gather(*(client.account(payer.wallet) for client in clients))
        await payer.client.revoke_key("two")
        ends = await asyncio.gather(
            *(client.account(payer.wallet) for client in clients), return_exceptions=True
        )
        for end in ends:  # a client repeats an unsigned refusal for two seconds; one may be early
            assert isinstance(end, Unreachable) or not isinstance(end, BaseException)
        ends = await asyncio.gather(
            *(client.account(payer.wallet) for client in clients), return_exceptions=True
        )
        assert all(isinstance(end, Unreachable) for end in ends)
        assert {"key-unknown" in str(end) for end in ends} == {True}


async def test_the_operator_says_how_long_a_key_may_be_good(
    database: Database, tmp_path: Path
) -> None:
    """`--key-validity-max` is kept in the ledger and holds for what is introduced from then on."""
    options = (*external(database, tmp_path), "--workers", 1, "--key-validity-max", 3)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(serving(tmp_path, *options))
        payer = await stack.enter_async_context(paying(running.url, database.url(ADMIN), tmp_path))
        made = await payer.client.introduce_key("two", keyfile.generate_seed())
        assert made.not_before == made.created_at
    connection = await database.connect()
    try:
        days = await connection.fetchval(
            "SELECT extract(epoch FROM $1::text::timestamptz - $2::text::timestamptz) / 86400",
            made.not_after,
            made.created_at,
        )
    finally:
        await connection.close()
    assert days == 3
