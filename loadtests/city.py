"""The city under load: one founded for the run, or a demo city that runs already.

locust works in processes of its own, which read what they need from one file: where the switch is,
by which keys it signs, who holds which accounts.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from loadtests.scenarios import WORKER_COUNT
from switch import admin, demo_bank, demo_city
from switch.client import Client, ClientError
from switch.config import HOST_DEFAULT
from switch.demo_city import Member
from switch.errors import SwitchError
from switch.exchange import JWKS_PATH
from switch.serving import ServeOptions, Serving, serving

FETCH_WAIT_S = 10.0
BANK_WAIT_S, BANK_DEADLINE_S = 1.0, 5.0  # short, so that an outage of seconds is one
BOOK = "issuer.log"


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
    banks: list[Holder]
    merchants: list[Holder]
    issuer: Holder  # a bank that holds its customers' money itself, with their accounts

    @property
    def holders(self) -> list[Holder]:
        """Everybody."""
        return [*self.providers, *self.banks, *self.merchants, self.issuer]

    @property
    def payees(self) -> list[str]:
        """The till of each merchant."""
        return [merchant.accounts[0] for merchant in self.merchants]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the locust processes are told, in a file that the variable `PLAN` names."""

    city: City
    scenario: str
    run: str  # part of every idempotency key
    record: str  # the folder that the audit reads
    report: str  # the folder for locust's report
    users: int
    spawn_rate: float
    duration_s: float
    think_s: float
    p95_ms_max: float
    failures_max: int


PLAN = "SWITCH_LOAD_PLAN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a city that was founded for the run can be made to suffer, and be asked for."""

    switch: Serving
    data_dir: Path
    bank_url: str
    issuer: Member
    book: Path  # of the issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run takes place."""

    city: City
    data_dir: Path
    own: Own | None  # None in a city of somebody else


@asynccontextmanager
async def founded(data_dir: Path, wallet_count: int, reads_per_s: float) -> AsyncIterator[Place]:
    """A new demo city with its own switch and its own bank, while the block lasts."""
    async with AsyncExitStack() as stack:
        switch = await stack.enter_async_context(
            serving(
                _serve_options(data_dir, reads_per_s), messages=data_dir.parent / "processes.log"
            )
        )
        city = await _found(switch, data_dir, wallet_count)
        key_file = Path(city.issuer.key_file)
        client = Client(switch.url, key_id=city.issuer.key_id, key=key_file)
        issuer = Member(id=city.issuer.id, key_file=key_file, client=client)
        await stack.enter_async_context(client)
        book = data_dir / BOOK
        bank_url = await stack.enter_async_context(
            demo_bank.open_bank(issuer, url=switch.url, book=book, seed=0)
        )
        async with admin.connected(_superuser(switch)) as operator:
            await operator.set_participant(issuer.id, bank_url=bank_url)
        own = Own(switch=switch, data_dir=data_dir, bank_url=bank_url, issuer=issuer, book=book)
        yield Place(city=city, data_dir=data_dir, own=own)


def _superuser(switch: Serving) -> str:
    assert switch.databases.operator is not None, "an embedded database has its superuser"
    return switch.databases.operator


async def _found(switch: Serving, data_dir: Path, wallet_count: int) -> City:
    """Let the participants found it; their clients are not needed any more afterwards."""
    key_dir = data_dir / "participants"
    key_dir.mkdir(mode=0o700)
    try:
        async with (
            admin.connected(_superuser(switch)) as operator,
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
                providers=[_holder(key_dir, one.id, one.accounts) for one in made.providers],
                banks=[_holder(key_dir, one.id, one.accounts) for one in made.banks],
                merchants=[
                    _holder(key_dir, one.id, one.accounts)
                    for one in made.shops
                    if one.id in demo_city.MERCHANTS
                ],
                issuer=_holder(key_dir, made.issuer.id, made.customers),
            )
    except ClientError as error:
        raise SwitchError(f"the city could not be founded: {error}") from error


async def running(data_dir: Path, url: str) -> Place:
    """The city of `switch demo --data-dir`, asked for by its participants' own keys."""
    key_dir = data_dir / "participants"
    if not await asyncio.to_thread(key_dir.is_dir):
        raise SwitchError(f"{data_dir} is not the data directory of a demo city")
    try:
        providers = [await _asked(url, key_dir, name, "wallet") for name in demo_city.PROVIDERS]
        banks = [await _asked(url, key_dir, name, "position") for name in demo_city.BANKS]
        merchants = [await _asked(url, key_dir, name, "merchant") for name in demo_city.MERCHANTS]
        issuer = await _asked(url, key_dir, demo_city.ISSUER, "external")
        switch_keys = await _switch_keys(url)
    except (ClientError, aiohttp.ClientError, TimeoutError) as error:
        raise SwitchError(f"the city at {url} does not answer: {error}") from error
    city = City(
        url=url,
        switch_keys=switch_keys,
        providers=providers,
        banks=banks,
        merchants=merchants,
        issuer=issuer,
    )
    return Place(city=city, data_dir=data_dir, own=None)


async def _asked(url: str, key_dir: Path, name: str, kind: str) -> Holder:
    """A participant with its accounts of a kind."""
    holder = _holder(key_dir, name, ())
    async with Client(url, key_id=holder.key_id, key=Path(holder.key_file)) as client:
        accounts = [account.id async for account in client.accounts() if account.kind == kind]
    return _holder(key_dir, name, accounts)


async def _switch_keys(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=FETCH_WAIT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}{JWKS_PATH}") as answer,
    ):
        return await answer.text()


def _holder(key_dir: Path, name: str, accounts: Sequence[str]) -> Holder:
    return Holder(
        id=name,
        key_id=f"{name}/{demo_city.KEY_NAME}",
        key_file=str(key_dir / f"{name}.pem"),
        accounts=list(accounts),
    )


def _serve_options(data_dir: Path, reads_per_s: float) -> ServeOptions:
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
        reads_per_s=reads_per_s,
        callback_allow=(HOST_DEFAULT,),  # where the city's own bank is
        bank_wait_s=BANK_WAIT_S,
        bank_deadline_s=BANK_DEADLINE_S,
    )
