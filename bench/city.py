"""The city that the benchmarks pay in: wallet providers, merchants, a bank, and money.

Founded as an operator and a bank would, only faster: accounts through the operator's function,
money issued to the bank's position account, every wallet topped up by a decided payment. So the
books are right from the first minute, and the checks at the end prove every figure.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from switch import keyfile, ledger, limits
from switch.admin import Operator
from switch.clock import SYSTEM_CLOCK
from switch.ledger import Order
from switch.message import PaymentRequest
from switch.queries import QUERIES

CURRENCY = "CNY"
BANK = "bank"
PROVIDER_COUNT = 10
MERCHANT_HOLDER_COUNT = 10
KEY_NAME = "bench"
REFERENCE_DIGITS = 12

# Minor units. Limits are there, and checked, but nobody reaches them.
TOP_UP = 10**9
LIMIT = 10**12
ISSUE = limits.AMOUNT_MAX

OPEN_ACCOUNTS = """
SELECT count(ledger.operator_open_account(account, $2, $3, $4, 0, NULL, NULL))
  FROM unnest($1::uuid[]) AS account
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A participant that holds accounts and signs for them."""

    id: str
    number: int  # in the ledger
    seed: bytes  # of its key

    @property
    def key_id(self) -> str:
        """The name of its key."""
        return f"{self.id}/{KEY_NAME}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Holder):
    """A wallet provider, whose wallets pay."""

    wallets: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Who pays, and who is paid."""

    providers: tuple[Provider, ...]
    merchants: tuple[UUID, ...]
    merchant_holders: tuple[Holder, ...]

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Everybody to whom something happens when they do."""
        return (*self.providers, *self.merchant_holders)


async def found(
    operator: Operator, *, wallet_count: int, merchant_count: int, done: Callable[[str], None]
) -> City:
    """A new city on an empty ledger; `done` hears what has been finished."""
    await operator.set_tier(
        "basic", currency=CURRENCY, payment_limit=LIMIT, daily_limit=LIMIT, balance_limit=LIMIT
    )
    await operator.set_default_tier("wallet", "basic")
    await operator.add_participant(BANK, kind="bank")
    providers = [f"wallet-{number:02}" for number in range(PROVIDER_COUNT)]
    merchant_holders = [f"merchant-{number:02}" for number in range(MERCHANT_HOLDER_COUNT)]
    seeds = {name: keyfile.generate_seed() for name in (*providers, *merchant_holders)}
    wallets = {}
    for name in providers:
        await let_in(operator, name, "wallet", seeds[name])
        wallets[name] = await open_accounts(
            operator, name, "wallet", wallet_count // len(providers)
        )
    done(f"{wallet_count:,} wallets opened")
    merchants: list[UUID] = []
    for name in merchant_holders:
        await let_in(operator, name, "merchant", seeds[name])
        merchants += await open_accounts(
            operator, name, "merchant", merchant_count // MERCHANT_HOLDER_COUNT
        )
    done(f"{merchant_count:,} merchants opened")
    numbers = await _numbers(operator)
    position = await operator.open_account(participant=BANK, kind="position", currency=CURRENCY)
    await operator.issue(position, ISSUE, reason="money for a benchmark")
    await _top_up(operator, numbers[BANK], position, [w for own in wallets.values() for w in own])
    done(f"{wallet_count:,} wallets topped up")
    return City(
        providers=tuple(
            Provider(id=name, number=numbers[name], seed=seeds[name], wallets=wallets[name])
            for name in providers
        ),
        merchants=tuple(merchants),
        merchant_holders=tuple(
            Holder(id=name, number=numbers[name], seed=seeds[name]) for name in merchant_holders
        ),
    )


async def let_in(operator: Operator, name: str, kind: str, seed: bytes) -> int:
    """A new participant with its key; its number in the ledger."""
    await operator.add_participant(name, kind=kind)
    await operator.add_key(f"{name}/{KEY_NAME}", keyfile.public_key(seed))
    return (await _numbers(operator))[name]


async def open_accounts(operator: Operator, holder: str, kind: str, count: int) -> tuple[UUID, ...]:
    """So many accounts of a participant."""
    now_us = SYSTEM_CLOCK.now_us()
    ids = tuple(ledger.new_id(now_us + 1000 * number) for number in range(count))
    await operator.connection.execute(OPEN_ACCOUNTS, ids, holder, kind, CURRENCY)
    return ids


async def _numbers(operator: Operator) -> dict[str, int]:
    rows = await operator.connection.fetch(QUERIES["read_participants"])
    return {row["participant"]: row["participant_no"] for row in rows}


async def _top_up(
    operator: Operator, bank_no: int, position: UUID, wallets: Sequence[UUID]
) -> None:
    statements = await ledger.prepare(operator.connection)
    for orders in _batches(_top_up_orders(bank_no, position, wallets), limits.BATCH_SIZE_MAX):
        for verdict in await ledger.authorize_batch(statements, orders):
            assert verdict.payment is not None, "every key is new"
            assert verdict.payment.reason is None, verdict.payment.reason


def _top_up_orders(bank_no: int, position: UUID, wallets: Sequence[UUID]) -> Iterator[Order]:
    for number, wallet in enumerate(wallets):
        yield order(
            BANK, bank_no, "top_up", position, wallet, amount=TOP_UP, key=f"top-up-{number}"
        )


def order(
    participant: str,
    participant_no: int,
    kind: str,
    payer: UUID,
    payee: UUID,
    *,
    amount: int,
    key: str,
    reference: str | None = None,
) -> Order:
    """A message as the path hands it to the ledger."""
    return Order(
        participant_no=participant_no,
        participant=participant,
        key=key,
        digest=hashlib.sha256(key.encode()).digest(),
        payment_id=ledger.new_id(SYSTEM_CLOCK.now_us()),
        request=PaymentRequest(
            type=kind,  # type: ignore[arg-type]  # one of the four names
            payer=payer,
            payee=payee,
            amount=amount,
            currency=CURRENCY,
            reference=reference,
        ),
    )


def reference(chosen: random.Random) -> str:
    """A payment's reference as a payer may give one: twelve digits in no order."""
    return f"{chosen.randrange(10**REFERENCE_DIGITS):0{REFERENCE_DIGITS}}"


def _batches(orders: Iterator[Order], size: int) -> Iterator[list[Order]]:
    batch: list[Order] = []
    for one in orders:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
