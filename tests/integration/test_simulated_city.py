"""A simulated wallet provider and merchant at a real switch: they pay, capture, void and refund."""

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio

from switch import keyfile
from switch.admin import Operator, connected
from tests.databases import ADMIN, Database
from tests.integration.running import Running, external, serving, until
from tests.integration.simulated import Simulated, simulating

CURRENCY = "CNY"


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """A switch that runs, and its operator."""

    switch: Running
    operator: Operator
    folder: Path

    async def let_in(self, name: str, kind: str) -> tuple[object, ...]:
        """Add a participant; the options by which a simulation is it."""
        seed = keyfile.generate_seed()
        key_file = self.folder / f"{name}.pem"
        keyfile.write_private_key(key_file, seed)
        await self.operator.add_participant(name, kind=kind)
        await self.operator.add_key(f"{name}/one", keyfile.public_key(seed))
        return ("--url", self.switch.url, "--key", key_file, "--keyid", f"{name}/one")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def city(database: Database, tmp_path_factory: Any) -> AsyncIterator[City]:
    """A switch that may call this machine."""
    folder = tmp_path_factory.mktemp("city")
    options = (*external(database, folder), "--workers", 1, "--callback-allow", "127.0.0.0/8")
    async with (
        serving(folder, *options) as switch,
        connected(database.url(ADMIN)) as operator,
    ):
        yield City(switch=switch, operator=operator, folder=folder)


async def outcomes(simulated: Simulated) -> dict[str, int]:
    """What was decided of what it sent, by kind and outcome."""
    figures = await simulated.figures()
    found: dict[str, int] = figures["outcomes"]
    return found


async def test_a_merchant_sees_to_what_it_is_told(city: City, tmp_path: Path) -> None:
    """It captures holds, voids and refunds some, by events alone; nothing is declined or lost."""
    till = await city.let_in("tea-house", "merchant")
    purse = await city.let_in("harbour-pay", "wallet")
    more = ("--currency", CURRENCY, "--rate", 50)
    merchant_log = tmp_path / "merchant"
    async with simulating(
        "merchant", merchant_log, *till, *more, "--void", 0.3, "--refund", 0.5
    ) as merchant:
        [account] = merchant.ready["accounts"]
        await city.operator.set_participant("tea-house", callback_url=f"{merchant.url}/events")
        async with simulating(
            "wallet", tmp_path / "wallet", *purse, *more, "--wallets", 4, "--payee", account
        ) as wallet:
            assert len(wallet.ready["accounts"]) == 4
            await city.operator.set_participant("harbour-pay", callback_url=f"{wallet.url}/events")

            async def declines() -> bool:
                return (await outcomes(wallet)).get("purchase insufficient_funds", 0) > 0

            await until(declines, "empty wallets are declined")
            for purse_account in wallet.ready["accounts"]:
                await city.operator.issue(purse_account, 10**9, reason="test")
            await merchant.turn(drop=0.2, twice=0.2)
            steps = {"capture completed", "void completed", "refund completed"}

            async def has_done_all() -> bool:
                return steps <= set(await outcomes(merchant))

            await until(has_done_all, "holds were captured and voided, and some was refunded")

            async def is_told() -> bool:
                events = (await wallet.figures())["events"]
                return {"payment.captured", "payment.voided", "payment.refunded"} <= set(events)

            await until(is_told, "the payer's side was told")
            assert set(await outcomes(merchant)) == steps
            assert {"purchase held", "purchase completed", "transfer completed"} <= set(
                await outcomes(wallet)
            )
            assert await wallet.end() == 0
        keys = [line.key for line in merchant.lines]
        assert len(keys) == len(set(keys)), "each event is taken once"
        assert await merchant.end() == 0
    assert await city.operator.check_books() == []


async def test_a_merchant_that_was_killed_goes_on(city: City, tmp_path: Path) -> None:
    """What it was told and did not see to is seen to after its restart, and once."""
    till = await city.let_in("night-market", "merchant")
    purse = await city.let_in("swallow-pay", "wallet")
    log, more = tmp_path / "merchant", ("--currency", CURRENCY)
    manners = ("--void", 0, "--refund", 0)
    async with simulating("merchant", log, *till, *more, *manners, "--rate", 0.01) as merchant:
        [account] = merchant.ready["accounts"]
        port = merchant.url.rpartition(":")[2]
        await city.operator.set_participant("night-market", callback_url=f"{merchant.url}/events")
        async with simulating(
            "wallet", tmp_path / "wallet", *purse, *more, "--payee", account, "--hold", 1
        ) as wallet:
            for purse_account in wallet.ready["accounts"]:
                await city.operator.issue(purse_account, 10**9, reason="test")
            await until(lambda: len(merchant.lines) >= 5, "it was told of holds")
            assert await wallet.end() == 0
        assert await merchant.end(signal.SIGKILL) != 0
    held = {line.payment for line in merchant.lines if line.what == "payment.held"}
    async with simulating(
        "merchant", log, *till, *more, *manners, "--rate", 50, "--port", port
    ) as merchant:
        assert merchant.ready["accounts"] == [account], "its till is the same"

        def captured() -> set[str | None]:
            return {line.payment for line in merchant.lines if line.what == "payment.captured"}

        await until(lambda: held <= captured(), "all of them are captured")
        assert set(await outcomes(merchant)) == {"capture completed"}
