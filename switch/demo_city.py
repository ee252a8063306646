"""A small city from nothing: who is in it, and the steps that found it.

The operator lets the participants in, issues money to the banks and sets the tiers, as any operator
would; everything else the participants do themselves, by signed messages: merchants and wallet
providers open their accounts, banks top the wallets up. One bank holds its customers' money itself;
its server is `demo_bank`'s business.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from switch import keyfile, limits
from switch.admin import Operator
from switch.client import Client
from switch.queries import QUERIES

Result = TypeVar("Result")

CURRENCY = "CNY"
BANKS = ("bank-of-laoshan", "bank-of-shinan")
PROVIDERS = ("harbour-pay", "swallow-pay")
MERCHANTS = ("tea-house", "night-market", "ferry-line", "book-shop")
OFFICES = ("tax-office",)
ISSUER = "bank-of-jimo"  # holds its customers' money itself
METRO, PARKING, SCHOOL, OFFICE = "city-metro", "harbour-parking", "harbour-school", "welfare-office"
KINDS = {
    ISSUER: "bank",  # first: its key is known to the process `banks` long before it answers
    **dict.fromkeys(BANKS, "bank"),
    **dict.fromkeys(PROVIDERS, "wallet"),
    **dict.fromkeys(MERCHANTS, "merchant"),
    **dict.fromkeys(OFFICES, "government"),
    METRO: "merchant",
    PARKING: "merchant",
    SCHOOL: "government",
    OFFICE: "government",
}
KEY_NAME, HEAD = "demo", "head"

# Minor units: fen.
ISSUED = 50_000_000_00  # to each bank
NET_DEBIT_CAP = 5_000_000_00  # of each bank
FIRST_TOP_UP = 2_000_00  # of each wallet
PAYMENT_LIMIT = 1_000_00
DAILY_LIMIT = 20_000_00
BALANCE_LIMIT = 10_000_00

PUBLIC_MONEY = 1_000_000_00  # of the welfare office

CUSTOMERS = 20  # of the issuer: accounts of kind `external`
RESIDENTS = 12  # whose day is followed: wallets that the other traffic leaves alone
DINER, EATING_PLACE, MARKET = "5812", "tea-house", "night-market"  # a category of ISO 18245

Step = Callable[[str, int, int], None]  # what is done, how much of it, of how much


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One participant: its client and the accounts it holds."""

    id: str
    key_file: Path
    client: Client
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays the day in the city, beside the other traffic."""

    provider: Member  # of the residents' wallets
    metro: Member
    parking: Member
    school: Member
    office: Member  # pays what people are entitled to
    head: Client  # of the office: its second key
    canteen: Member  # sells meals
    market: Member


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Everybody who takes part."""

    banks: tuple[Member, ...]
    providers: tuple[Member, ...]
    shops: tuple[Member, ...]  # merchants and offices: whoever is paid
    penniless: Member  # a provider with one wallet that never gets money
    issuer: Member  # a bank that holds its customers' money itself
    customers: tuple[str, ...]  # their accounts, of kind `external`
    cast: Cast

    @property
    def members(self) -> tuple[Member, ...]:
        """Banks, wallet providers, and whoever is paid."""
        return (*self.banks, *self.providers, *self.shops)


@asynccontextmanager
async def founded(
    operator: Operator, *, url: str, key_dir: Path, wallet_count: int, step: Step
) -> AsyncIterator[City]:
    """The city at a running switch, its clients open while the block lasts."""
    async with AsyncExitStack() as stack:
        members: dict[str, Member] = {}
        for number, (name, kind) in enumerate(KINDS.items(), 1):
            key_file = await _let_in(operator, name, kind, key_dir)
            client = Client(url, key_id=f"{name}/{KEY_NAME}", key=key_file)
            await stack.enter_async_context(client)
            members[name] = Member(id=name, key_file=key_file, client=client)
            step("participants", number, len(KINDS))
        await _set_tiers(operator)
        banks = [await _fund(operator, members[name]) for name in BANKS]
        shops = [await _open_till(members[name]) for name in MERCHANTS]
        shops += [await _open_office(operator, members[name]) for name in OFFICES]
        providers = [
            await _open_wallets(members[name], wallet_count // len(PROVIDERS), step)
            for name in PROVIDERS
        ]
        await _top_up(banks, providers, step)
        residents = await _open_wallets(members[PROVIDERS[1]], RESIDENTS, lambda *_: None)
        await _top_up(banks, [residents], lambda *_: None)
        head = Client(url, key_id=f"{OFFICE}/{HEAD}", key=await _second_key(operator, key_dir))
        await stack.enter_async_context(head)
        penniless = await _open_wallets(members[PROVIDERS[0]], 1, lambda *_: None)
        issuer = await _fund(operator, members[ISSUER])
        yield City(
            banks=tuple(banks),
            providers=tuple(providers),
            shops=tuple(shops),
            penniless=penniless,
            issuer=issuer,
            customers=await _open_customers(issuer),
            cast=Cast(
                provider=residents,
                metro=await _open_till(members[METRO]),
                parking=await _open_till(members[PARKING]),
                school=await _open_office(operator, members[SCHOOL]),
                office=await _open_fund(operator, members[OFFICE]),
                head=head,
                canteen=await _sells_meals(operator, shops),
                market=_named(shops, MARKET),
            ),
        )


async def _let_in(operator: Operator, name: str, kind: str, key_dir: Path) -> Path:
    key_file = key_dir / f"{name}.pem"
    seed = keyfile.generate_seed()
    keyfile.write_private_key(key_file, seed)
    await operator.add_participant(name, kind=kind)
    await operator.add_key(f"{name}/{KEY_NAME}", keyfile.public_key(seed))
    return key_file


async def _second_key(operator: Operator, key_dir: Path) -> Path:
    """Of the head of the office, who approves what others have prepared."""
    key_file = key_dir / f"{OFFICE}-{HEAD}.pem"
    seed = keyfile.generate_seed()
    keyfile.write_private_key(key_file, seed)
    await operator.add_key(f"{OFFICE}/{HEAD}", keyfile.public_key(seed))
    return key_file


async def _open_fund(operator: Operator, office: Member) -> Member:
    holding = await _open_office(operator, office)
    account = UUID(holding.accounts[0])
    await operator.issue(account, PUBLIC_MONEY, reason="public money of the demo city")
    return holding


async def _sells_meals(operator: Operator, shops: list[Member]) -> Member:
    """What purposes go by: the operator says what an account sells."""
    canteen = _named(shops, EATING_PLACE)
    await operator.ask(QUERIES["set_shop"], UUID(canteen.accounts[0]), DINER, None)
    return canteen


def _named(members: list[Member], name: str) -> Member:
    return next(member for member in members if member.id == name)


async def _set_tiers(operator: Operator) -> None:
    await operator.set_tier(
        "basic",
        currency=CURRENCY,
        payment_limit=PAYMENT_LIMIT,
        daily_limit=DAILY_LIMIT,
        balance_limit=BALANCE_LIMIT,
    )
    await operator.set_default_tier("wallet", "basic")


async def _fund(operator: Operator, bank: Member) -> Member:
    account = await operator.open_account(
        participant=bank.id, kind="position", currency=CURRENCY, floor=-NET_DEBIT_CAP
    )
    await operator.issue(account, ISSUED, reason="first deposit of the demo city")
    return _holding(bank, [str(account)])


async def _open_till(shop: Member) -> Member:
    account = await shop.client.open_account(kind="merchant", currency=CURRENCY, reference="till")
    return _holding(shop, [account.id])


async def _open_office(operator: Operator, office: Member) -> Member:
    account = await operator.open_account(
        participant=office.id, kind="government", currency=CURRENCY, reference="office"
    )
    return _holding(office, [str(account)])


async def _open_wallets(provider: Member, count: int, step: Step) -> Member:
    async def open_one(number: int) -> str:
        account = await provider.client.open_account(
            kind="wallet", currency=CURRENCY, reference=f"citizen-{number}"
        )
        return account.id

    accounts = await _side_by_side(
        open_one, list(range(count)), lambda done: step(f"wallets of {provider.id}", done, count)
    )
    return _holding(provider, accounts)


async def _open_customers(issuer: Member) -> tuple[str, ...]:
    async def open_one(number: int) -> str:
        account = await issuer.client.open_account(
            kind="external", currency=CURRENCY, reference=f"customer-{number}"
        )
        return account.id

    return tuple(await _side_by_side(open_one, list(range(CUSTOMERS)), lambda _: None))


async def _top_up(banks: list[Member], providers: list[Member], step: Step) -> None:
    wallets = [wallet for provider in providers for wallet in provider.accounts]

    async def top_up(number: int) -> None:
        bank = banks[number % len(banks)]
        payment = await bank.client.pay(
            type="top_up",
            payer=bank.accounts[0],
            payee=wallets[number],
            amount=FIRST_TOP_UP,
            currency=CURRENCY,
        )
        assert payment.status == "completed", payment.reason

    await _side_by_side(
        top_up, list(range(len(wallets))), lambda done: step("top-ups", done, len(wallets))
    )


async def _side_by_side(
    work: Callable[[int], Awaitable[Result]], numbers: list[int], done: Callable[[int], None]
) -> list[Result]:
    """The results for all numbers in order, a bounded number of them under way at a time."""
    free = asyncio.Semaphore(limits.DEMO_SENDERS)
    finished = 0

    async def one(number: int) -> Result:
        nonlocal finished
        async with free:
            result = await work(number)
        finished += 1
        done(finished)
        return result

    return list(await asyncio.gather(*(one(number) for number in numbers)))


def _holding(member: Member, accounts: list[str]) -> Member:
    return replace(member, accounts=tuple(accounts))
