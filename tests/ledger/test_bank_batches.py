"""Batches in which banks decide some messages and the ledger the others."""

from uuid import UUID

import asyncpg
import pytest_asyncio

from switch.ledger import Disposition, Order, Statements, authorize_batch, prepare
from switch.message import Payment, Step
from tests.ledger.banking import CREDIT, Bank, Banking
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City, Participant


class Street:
    """Two wallets of different providers that have what a fold has not added up yet, and a shop."""

    def __init__(self, banking: Banking, bank: Bank, lane: Statements) -> None:
        self.banking = banking
        self.bank = bank
        self._lane = lane

    async def settle(self) -> None:
        """The bank's customer has the oldest account, so its lock comes first."""
        city = self.banking.city
        self.provider = await city.participant("wallet")
        self.other = await city.participant("wallet")
        self.merchant = await city.participant("merchant")
        self.shop = await city.account(self.merchant, "merchant")
        self.source = await city.account(self.provider, "wallet", balance=1000)
        self.poor = await city.account(self.provider, "wallet")
        self.rich = await city.account(self.other, "wallet", balance=5000)

    async def decide(self, *orders: Order) -> list[Payment | Step]:
        """One batch."""
        verdicts = await authorize_batch(self._lane, list(orders))
        assert all(verdict.payment is not None for verdict in verdicts)
        return [verdict.payment for verdict in verdicts if verdict.payment is not None]

    def buy(self, holder: Participant, payer: UUID, amount: int, **fields: object) -> Order:
        """At the shop."""
        return self.banking.city.order(holder, payer, self.shop, amount, type="purchase", **fields)

    async def give(self, amount: int) -> None:
        """A credit that waits to be added up."""
        city = self.banking.city
        await self.decide(city.order(self.provider, self.source, self.poor, amount))


@pytest_asyncio.fixture(loop_scope="session")
async def street(
    city: City, lane: Statements, jobs: asyncpg.Connection, admin: asyncpg.Connection
) -> Street:
    """At noon, beside a bank."""
    await city.own_the_clock()
    await city.set_time(NOON)
    banking = Banking(city, lane, jobs, admin)
    made = Street(banking, await banking.bank(), lane)
    await made.settle()
    return made


async def test_beside_a_payment_for_a_bank_nobody_holds_what_he_has_not(
    street: Street, admin: asyncpg.Connection
) -> None:
    """What waits for the payer is added up first; then he is short all the same."""
    await street.give(1)
    first, second = await street.decide(
        street.buy(street.bank.holder, street.bank.customer, 5),
        street.buy(street.provider, street.poor, 999_999, capture=False),
    )
    assert (first.status, second.reason) == ("pending", "insufficient_funds")
    assert await street.banking.account(street.poor) == (1, 0)
    await assert_books_are_right(admin)


async def test_beside_a_payment_for_a_bank_nobody_pays_for_another(
    street: Street, admin: asyncpg.Connection
) -> None:
    """Each message is held against its own payer, also when the accounts are looked at again."""
    await street.give(1)
    pending, short, unknown = await street.decide(
        street.buy(street.bank.holder, street.bank.customer, 5),
        street.buy(street.provider, street.poor, 3000),
        street.banking.city.order(street.other, street.rich, UUID(int=7), 1, type="purchase"),
    )
    assert pending.status == "pending"
    assert (short.reason, unknown.reason) == ("insufficient_funds", "payee_not_found")
    assert await street.banking.account(street.rich) == (5000, 0)
    await assert_books_are_right(admin)


async def test_payments_of_one_payer_keep_their_order(
    street: Street, admin: asyncpg.Connection
) -> None:
    """What goes to a bank is reserved in its place: what comes behind it is short, not it."""
    city, bank = street.banking.city, street.bank
    tier = await city.tier("street-day", daily_limit=150)
    wallet = await city.account(street.provider, "wallet", balance=200, tier=tier)
    first, second, third = await street.decide(
        city.order(street.provider, wallet, bank.customer, 100, type="withdrawal"),
        street.buy(street.provider, wallet, 60),
        street.buy(street.provider, wallet, 50),
    )
    assert (first.status, second.reason) == ("pending", "daily_limit_exceeded")
    assert third.status == "completed"
    assert await street.banking.account(wallet) == (150, 100)
    assert set(await street.banking.start()) == {(first.id, CREDIT)}
    await street.banking.answer(first, CREDIT, "refused")
    await street.decide(street.buy(street.provider, wallet, 100))
    assert await street.banking.account(wallet) == (50, 0), "the day got it back"
    await assert_books_are_right(admin)


async def test_a_withdrawal_of_waiting_money_is_reserved(
    street: Street, admin: asyncpg.Connection
) -> None:
    """What came a moment ago can be withdrawn at once, and no more than it."""
    await street.give(30)
    city, bank = street.banking.city, street.bank
    orders = [
        city.order(street.provider, street.poor, bank.customer, 20, type="withdrawal")
        for _ in range(2)
    ]
    verdicts = await authorize_batch(street._lane, orders)
    assert [one.disposition for one in verdicts] == [Disposition.PENDING, Disposition.DECIDED]
    assert await street.banking.account(street.poor) == (30, 20)
    await assert_books_are_right(admin)


async def test_what_waits_for_a_bank_is_counted_once_a_batch(
    street: Street, admin: asyncpg.Connection
) -> None:
    """However many of its payments are for that bank, a backlog is passed over once."""
    city, bank = street.banking.city, street.bank
    orders = [
        city.order(street.provider, street.source, bank.customer, 1, type="withdrawal")
        for _ in range(5)
    ]
    statements = await prepare(admin)
    async with admin.transaction():
        await admin.execute("SET LOCAL track_functions = 'all'")
        verdicts = await authorize_batch(statements, orders)
        calls = await admin.fetchval(
            "SELECT calls FROM pg_stat_xact_user_functions WHERE funcname = 'may_call_bank'"
        )
    assert {one.disposition for one in verdicts} == {Disposition.PENDING}
    assert calls == 1
