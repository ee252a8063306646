"""What the operator does to the books: money in and out, reversals, floors."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from switch.ledger import Statements
from switch.outcome import Outcome
from tests.databases import Database
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City

ISSUE = "SELECT ledger.issue_money($1, $2, $3, 'because')"
REDEEM = "SELECT ledger.redeem_money($1, $2, $3, 'because')"
REVERSE = "SELECT ledger.reverse_payment($1, $2, 'a mistake')"
BALANCE = "SELECT balance FROM ledger.account WHERE id = $1"
ISSUANCE = "SELECT balance FROM ledger.account WHERE kind = 'issuance' AND currency = $1"
REFUSED = "SW001"


async def refused(connection: asyncpg.Connection, statement: str, *arguments: object) -> str:
    """The words of a refusal; what was asked for must not have happened."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await connection.execute(statement, *arguments)
    assert caught.value.sqlstate == REFUSED, caught.value
    return str(caught.value)


async def test_money_comes_and_goes_against_the_issuance_account(
    city: City, admin: asyncpg.Connection
) -> None:
    """What is in circulation is the negative balance of the currency's issuance account."""
    bank = await city.participant("bank")
    position = await city.account(bank, "position", currency="EUR")
    await admin.execute(ISSUE, city.new_id(), position, 100)
    assert await admin.fetchval(ISSUANCE, "EUR") == -100
    await admin.execute(REDEEM, city.new_id(), position, 30)
    assert await admin.fetchval(ISSUANCE, "EUR") == -70
    assert await admin.fetchval(BALANCE, position) == 70
    await refused(admin, REDEEM, city.new_id(), position, 71)
    for amount in (0, -5, 10**15 + 1):
        await refused(admin, ISSUE, city.new_id(), position, amount)
        await refused(admin, REDEEM, city.new_id(), position, amount)
    await refused(admin, ISSUE, city.new_id(), city.new_id(), 1)
    external = await city.account(bank, "external", currency="EUR")
    await refused(admin, ISSUE, city.new_id(), external, 1)
    await assert_books_are_right(admin)


async def test_one_issue_is_made_once(city: City, admin: asyncpg.Connection) -> None:
    """The same payment id cannot put money into circulation twice."""
    bank = await city.participant("bank")
    position = await city.account(bank, "position")
    payment = city.new_id()
    await admin.execute(ISSUE, payment, position, 100)
    with pytest.raises(asyncpg.PostgresError):
        await admin.execute(ISSUE, payment, position, 100)
    assert await admin.fetchval(BALANCE, position) == 100


async def paid(city: City, lane: Statements, amount: int) -> tuple[UUID, UUID, UUID]:
    """Payer, payee and the approved payment between them."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=amount)
    payee = await city.account(provider, "wallet")
    order = city.order(provider, payer, payee, amount)
    [decision] = await city.decide(lane, [order])
    assert decision.outcome is Outcome.APPROVED
    return payer, payee, order.payment_id


async def test_a_payment_is_reversed_once(
    city: City, lane: Statements, admin: asyncpg.Connection, database: Database
) -> None:
    """However many ask at the same moment, one reversal moves the money back."""
    payer, payee, payment = await paid(city, lane, 40)
    connections = [await database.connect() for _ in range(4)]
    answers = await asyncio.gather(
        *(one.fetchval(REVERSE, city.new_id(), payment) for one in connections),
        return_exceptions=True,
    )
    for one in connections:
        await one.close()
    assert [answer for answer in answers if isinstance(answer, str)] == ["approved"]
    assert await admin.fetchval(BALANCE, payer) == 40
    assert await admin.fetchval(BALANCE, payee) == 0
    await assert_books_are_right(admin)


async def test_a_reversal_may_be_declined(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """What the payee has spent cannot be reversed until it has that much again."""
    payer, payee, payment = await paid(city, lane, 40)
    holder = next(iter(city.participants.values()))
    elsewhere = await city.account(holder, "wallet")
    await city.decide(lane, [city.order(holder, payee, elsewhere, 1)])
    assert await admin.fetchval(REVERSE, city.new_id(), payment) == "insufficient_funds"
    await admin.execute(ISSUE, city.new_id(), payee, 1)
    assert await admin.fetchval(REVERSE, city.new_id(), payment) == "approved"
    assert await admin.fetchval(BALANCE, payer) == 40


async def test_what_cannot_be_reversed(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Declined payments, issues, reversals and unknown ids are refused with words."""
    payer, payee, payment = await paid(city, lane, 40)
    holder = next(iter(city.participants.values()))
    declined = city.order(holder, payer, payee, 1)
    await city.decide(lane, [declined])
    issue, reversal = city.new_id(), city.new_id()
    await admin.execute(ISSUE, issue, payer, 5)
    await admin.fetchval(REVERSE, reversal, payment)
    for target in (declined.payment_id, issue, reversal, city.new_id(), payment):
        await refused(admin, REVERSE, city.new_id(), target)
    await assert_books_are_right(admin)


async def test_a_floor_is_never_set_above_the_balance(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The net debit cap may be lowered to what is used of it, not further; money waiting counts."""
    bank, other = await city.participant("bank"), await city.participant("bank")
    position = await city.account(bank, "position", floor=-100)
    second = await city.account(other, "position", floor=-100)
    [decision] = await city.decide(lane, [city.order(bank, position, second, 80)])
    assert decision.outcome is Outcome.APPROVED
    set_floor = "SELECT ledger.set_account($1, $2, NULL)"
    await refused(admin, set_floor, position, -79)
    await refused(admin, set_floor, position, 1)
    await city.set_floor(position, -80)
    [decision] = await city.decide(lane, [city.order(bank, position, second, 1)])
    assert decision.outcome is Outcome.INSUFFICIENT_FUNDS
    [decision] = await city.decide(lane, [city.order(other, second, position, 180)])
    assert decision.outcome is Outcome.APPROVED
    await city.set_floor(position, 0)
    await assert_books_are_right(admin)
