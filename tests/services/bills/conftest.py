"""A biller, a customer with money, and bills between them, at noon: no test sees a day end."""

import pytest_asyncio

from switch.clock import SYSTEM_CLOCK
from tests.databases import Database
from tests.integration.conftest import merchant, payee, payer, town, two_workers, wallet
from tests.integration.town import Member, Place
from tests.services.bills.scene import Scene

__all__ = ("merchant", "payee", "payer", "town", "two_workers", "wallet")


NOON = 12  # the hour


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def at_noon(database: Database) -> None:
    """Count days where it is noon now; `Etc/GMT-8` is eight hours ahead of UTC."""
    connection = await database.connect()
    zone = f"Etc/GMT{SYSTEM_CLOCK.now().hour - NOON:+d}"
    await connection.execute("SELECT ledger.set_time_zone($1)", zone)
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(town: Place, wallet: Member, merchant: Member, payer: str, payee: str) -> Scene:
    """New participants for one test."""
    return Scene(town=town, wallet=wallet, biller=merchant, payer=payer, payee=payee)
