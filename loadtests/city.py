"""The city under load: one founded for the run, or a demo city that runs already.

locust works in a process of its own, which reads what it needs from one file: where the switch is,
by which keys it signs, who holds which accounts.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from switch import admin, demo_city
from switch.client import Client, ClientError
from switch.config import HOST_DEFAULT
from switch.errors import SwitchError
from switch.exchange import JWKS_PATH
from switch.serving import ServeOptions, Serving, serving

WORKER_COUNT = 2
FETCH_WAIT_S = 10.0


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A participant as its load test sees it."""

    id: str
    key_id: str
    key_file: str
    accounts: list[str]


class City(msgspec.Struct, frozen=True, kw_only=True):
    """Where the switch is, and who takes part."""

    url: str
    switch_keys: str  # the published document
    providers: list[Holder]
    payees: list[str]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the locust process is told, in a file that the variable `PLAN` names."""

    city: City
    run: str  # part of every idempotency key
    record: str  # the file that the audit reads
    think_s: float
    p95_ms_max: float
    failures_max: int


PLAN = "SWITCH_LOAD_PLAN"


@asynccontextmanager
async def founded(data_dir: Path, wallet_count: int) -> AsyncIterator[City]:
    """A new demo city with its own switch, while the block lasts."""
    async with AsyncExitStack() as stack:
        switch = await stack.enter_async_context(
            serving(_serve_options(data_dir), messages=data_dir.parent / "processes.log")
        )
        yield await _found(switch, data_dir, wallet_count)


async def _found(switch: Serving, data_dir: Path, wallet_count: int) -> City:
    """Let the participants found it; their clients are not needed any more afterwards."""
    assert switch.databases.operator is not None, "an embedded database has its superuser"
    key_dir = data_dir / "participants"
    key_dir.mkdir(mode=0o700)
    try:
        async with (
            admin.connected(switch.databases.operator) as operator,
            demo_city.founded(
                operator,
                url=switch.url,
                key_dir=key_dir,
                wallet_count=wallet_count,
                step=lambda *_: None,
            ) as made,
        ):
            return City(
                url=switch.url,
                switch_keys=await _switch_keys(switch.url),
                providers=[_holder(key_dir, one.id, list(one.accounts)) for one in made.providers],
                payees=[shop.accounts[0] for shop in made.shops],
            )
    except ClientError as error:
        raise SwitchError(f"the city could not be founded: {error}") from error


async def running(data_dir: Path, url: str) -> City:
    """The city of `switch demo --data-dir`, asked for by its participants' own keys."""
    key_dir = data_dir / "participants"
    if not await asyncio.to_thread(key_dir.is_dir):
        raise SwitchError(f"{data_dir} is not the data directory of a demo city")
    try:
        providers = [
            _holder(key_dir, name, await _accounts(url, key_dir, name))
            for name in demo_city.PROVIDERS
        ]
        tills = [await _accounts(url, key_dir, name) for name in demo_city.MERCHANTS]
        switch_keys = await _switch_keys(url)
    except (ClientError, aiohttp.ClientError, TimeoutError) as error:
        raise SwitchError(f"the city at {url} does not answer: {error}") from error
    return City(
        url=url, switch_keys=switch_keys, providers=providers, payees=[own[0] for own in tills]
    )


async def _accounts(url: str, key_dir: Path, name: str) -> list[str]:
    holder = _holder(key_dir, name, [])
    async with Client(url, key_id=holder.key_id, key=Path(holder.key_file)) as client:
        return [account.id async for account in client.accounts()]


async def _switch_keys(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=FETCH_WAIT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}{JWKS_PATH}") as answer,
    ):
        return await answer.text()


def _holder(key_dir: Path, name: str, accounts: list[str]) -> Holder:
    return Holder(
        id=name,
        key_id=f"{name}/{demo_city.KEY_NAME}",
        key_file=str(key_dir / f"{name}.pem"),
        accounts=accounts,
    )


def _serve_options(data_dir: Path) -> ServeOptions:
    return ServeOptions(
        host=HOST_DEFAULT,
        port=0,
        admin_host=HOST_DEFAULT,
        admin_port=0,
        worker_count=WORKER_COUNT,
        authorities=(),
        data_dir=data_dir,
        key_dir=data_dir / "keys",
        database_url=None,
        jobs_database_url=None,
        admin_database_url=None,
        tls_cert=None,
        tls_key=None,
    )
