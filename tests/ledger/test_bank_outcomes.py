"""What banks decide: one row an outcome, every reason why a bank cannot be asked, and what changes
while a bank thinks.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from switch.ledger import Order
from switch.message import Payment, Step
from switch.outcome import Outcome
from tests.ledger.banking import AUTHORIZATION, CREDIT, DEADLINE, REVERSAL, Bank, Banking, Side
from tests.ledger.city import NOON

AMOUNT = 100
MEMORY = timedelta(seconds=1)  # of a bank that could not be asked
MIDNIGHT = NOON.replace(hour=16)  # in Shanghai


class Shop:
    """A purchase of a bank's customer, and what may be said of its bank."""

    def __init__(self, banking: Banking, bank: Bank, shop: UUID) -> None:
        self.banking = banking
        self.bank = bank
        self.shop = shop

    async def buy(self, amount: int = AMOUNT, **fields: Any) -> Payment | Step:
        """Accepted and not begun."""
        return await self.banking.send(self.order(amount, **fields))

    def order(self, amount: int = AMOUNT, **fields: Any) -> Order:
        """The message."""
        bank = self.bank
        return self.banking.city.order(bank.holder, bank.customer, self.shop, amount, **fields)

    async def begin(self, payment: Payment | Step, **switches: Any) -> bool:
        """Begin what was accepted; whether the bank is asked about this payment."""
        return (payment.id, AUTHORIZATION) in await self.banking.start(**switches)

    async def reason(self, payment: Payment | Step) -> str | None:
        """Why it was declined."""
        return (await self.banking.now(payment)).reason


@pytest.fixture
def shop(banking: Banking, bank: Bank, merchant: Side) -> Shop:
    """A shop and a bank."""
    return Shop(banking, bank, merchant[1])


async def _unavailable(shop: Shop, payment: Payment | Step) -> None:
    await shop.banking.set_url(shop.bank.holder, "")
    assert not await shop.begin(payment)


async def _declined(shop: Shop, payment: Payment | Step) -> None:
    assert await shop.begin(payment)
    await shop.banking.answer(payment, AUTHORIZATION, "declined")


async def _timeout(shop: Shop, payment: Payment | Step) -> None:
    assert await shop.begin(payment)
    await shop.banking.city.set_time(NOON + DEADLINE)
    await shop.banking.time_out()


ROWS: dict[Outcome, Callable[[Shop, Payment | Step], Awaitable[None]]] = {
    Outcome.ISSUER_UNAVAILABLE: _unavailable,
    Outcome.ISSUER_DECLINED: _declined,
    Outcome.ISSUER_TIMEOUT: _timeout,
}


@pytest.mark.parametrize("outcome", ROWS, ids=lambda outcome: outcome.wire)
async def test_outcome_of_a_bank(outcome: Outcome, shop: Shop) -> None:
    """Nothing is held any more, the reason is stored, and a repeat gets it too."""
    order = shop.order()
    pending = await shop.banking.send(order)
    await ROWS[outcome](shop, pending)
    decided = await shop.banking.send(order)
    assert (decided.status, decided.reason) == ("declined", outcome.wire)
    assert await shop.banking.account(shop.bank.position) == (0, 0)


# --- why a bank is not asked -----------------------------------------------------------------


async def _suspend(shop: Shop) -> None:
    await shop.banking.admin.execute(
        "SELECT ledger.set_participant_status($1, 'suspended')", shop.bank.holder.id
    )


async def _close_position(shop: Shop) -> None:
    await shop.banking.city.change(shop.bank.position, "close")


async def _freeze_position(shop: Shop) -> None:
    await shop.banking.city.change(shop.bank.position, "freeze")


@pytest.mark.parametrize("spoil", [_suspend, _close_position, _freeze_position])
async def test_a_bank_that_cannot_settle_is_unavailable(
    spoil: Callable[[Shop], Awaitable[None]], shop: Shop
) -> None:
    """Suspended, without a position, or with a frozen one: declined, and nobody is asked."""
    pending = await shop.buy()
    await spoil(shop)
    assert not await shop.begin(pending)
    assert await shop.reason(pending) == "issuer_unavailable"
    assert not await shop.banking.start(), "there is nothing to reverse"


async def test_a_bank_that_fails_or_is_full_is_not_asked(shop: Shop) -> None:
    """Shut: about nothing; probed: about one payment; else about so many, and then no more."""
    number = shop.bank.holder.no
    first = await shop.buy()
    assert not await shop.begin(first, shut=(number,))
    await shop.banking.city.set_time(NOON + MEMORY)
    second, third = await shop.buy(), await shop.buy()
    assert await shop.begin(second, probed=(number,))
    await shop.banking.city.set_time(NOON + 2 * MEMORY)
    fourth = await shop.buy()
    assert await shop.begin(fourth, calls_max=2)
    fifth = await shop.buy()
    assert not await shop.begin(fifth, calls_max=2)
    for payment in (first, third, fifth):
        assert await shop.reason(payment) == "issuer_unavailable"
    for payment in (second, fourth):
        assert (await shop.banking.now(payment)).status == "pending"


async def test_whoever_comes_next_to_a_bank_that_cannot_be_asked_is_declined_at_once(
    shop: Shop,
) -> None:
    """In the deciding transaction, for a second; holds too, and nothing is left to be begun."""
    number = shop.bank.holder.no
    assert not await shop.begin(await shop.buy(), shut=(number,))
    for fields in ({}, {"capture": False, "hold_seconds": 60}):
        payment = await shop.buy(**fields)
        assert (payment.status, payment.reason) == ("declined", "issuer_unavailable")
    assert await shop.banking.account(shop.bank.position) == (0, 0)
    await shop.banking.city.set_time(NOON + MEMORY)
    assert (await shop.buy()).status == "pending"


async def test_a_bank_that_was_full_is_asked_as_soon_as_it_has_room(shop: Shop) -> None:
    """What is remembered is how much it takes; how much it has is counted each time."""
    first, second = await shop.buy(), await shop.buy()
    assert await shop.begin(first, calls_max=1)
    assert await shop.reason(second) == "issuer_unavailable"
    assert (await shop.buy()).status == "declined"
    await shop.banking.answer(first, AUTHORIZATION, "approved")
    assert (await shop.buy()).status == "pending"


async def test_a_reason_that_comes_first_is_given_also_for_a_bank_that_cannot_be_asked(
    shop: Shop,
) -> None:
    """What its position cannot pay, and what a capped payee cannot take, is looked at in order."""
    number = shop.bank.holder.no
    assert not await shop.begin(await shop.buy(), shut=(number,))
    too_much = await shop.buy(10**9)
    assert too_much.status == "pending"
    assert not await shop.begin(too_much, shut=(number,))
    assert await shop.reason(too_much) == "insufficient_funds"
    tier = await shop.banking.city.tier("capped", balance_limit=AMOUNT - 1)
    merchant = await shop.banking.city.participant("merchant")
    capped = await shop.banking.city.account(merchant, "merchant", tier=tier)
    order = shop.banking.city.order(shop.bank.holder, shop.bank.customer, capped, AMOUNT)
    pending = await shop.banking.send(order)
    assert pending.status == "pending"
    assert not await shop.begin(pending, shut=(number,))
    assert await shop.reason(pending) == "payee_balance_limit_exceeded"


async def test_calls_that_a_full_bank_does_not_get_wait(shop: Shop) -> None:
    """The payment is begun and reserved; its call is handed out when there is room again."""
    pending = await shop.buy()
    assert not await shop.begin(pending, room={shop.bank.holder.no: 0})
    assert await shop.banking.account(shop.bank.position) == (0, AMOUNT)
    assert await shop.begin(pending)


async def test_a_position_goes_no_further_than_its_net_debit_cap(shop: Shop) -> None:
    """What banks are asked about is reserved first: together no more than the floor allows."""
    first, second, third = [await shop.buy(400) for _ in range(3)]
    calls = await shop.banking.start()
    assert {payment for payment, _ in calls} == {first.id, second.id}
    assert await shop.reason(third) == "insufficient_funds"
    await shop.banking.answer(first, AUTHORIZATION, "declined")
    fourth = await shop.buy(400)
    assert await shop.begin(fourth), "what came back can be reserved again"
    await shop.banking.answer(second, AUTHORIZATION, "approved")
    await shop.banking.answer(fourth, AUTHORIZATION, "approved")
    assert await shop.banking.account(shop.bank.position) == (-800, 0)


@pytest.mark.parametrize(
    ("action", "reason"), [("freeze", "payer_frozen"), ("close", "payer_closed")]
)
async def test_the_customer_s_account_counts_until_the_bank_is_asked(
    action: str, reason: str, shop: Shop
) -> None:
    """Frozen or closed after it was accepted: declined; after the bank was asked: the bank's."""
    asked = await shop.buy()
    assert await shop.begin(asked)
    pending = await shop.buy()
    await shop.banking.city.change(shop.bank.customer, action)
    assert not await shop.begin(pending)
    assert await shop.reason(pending) == reason
    await shop.banking.answer(asked, AUTHORIZATION, "approved")
    assert (await shop.banking.now(asked)).status == "completed"


# --- while the bank thinks -------------------------------------------------------------------


@pytest.mark.parametrize("decision", ["approved", "declined"])
async def test_a_payee_that_closes_while_the_bank_thinks(shop: Shop, decision: str) -> None:
    """What the bank approved is declined and reversed there; what it declined needs no undoing."""
    pending = await shop.buy()
    assert await shop.begin(pending)
    await shop.banking.city.change(shop.shop, "close")
    await shop.banking.answer(pending, AUTHORIZATION, decision)
    is_approved = decision == "approved"
    assert await shop.reason(pending) == ("payee_closed" if is_approved else "issuer_declined")
    calls = await shop.banking.start()
    assert ((pending.id, REVERSAL) in calls) == is_approved
    if is_approved:
        assert calls[pending.id, REVERSAL]["reason"] == "payee_closed"
    assert await shop.banking.account(shop.bank.position) == (0, 0)


async def test_a_payee_that_fills_up_while_the_bank_thinks(banking: Banking, bank: Bank) -> None:
    """Its limit counts what it has when the bank answers: declined, and reversed at the bank."""
    city = banking.city
    tier = await city.tier("narrow", balance_limit=AMOUNT)
    _, wallet = await banking.wallet(0, tier=tier)
    pending = [
        await banking.send(city.order(bank.holder, bank.customer, wallet, AMOUNT)) for _ in range(2)
    ]
    over = await banking.send(city.order(bank.holder, bank.customer, wallet, AMOUNT + 1))
    await banking.start()
    assert (await banking.now(over)).reason == "payee_balance_limit_exceeded"
    for payment in pending:
        await banking.answer(payment, AUTHORIZATION, "approved")
    assert (await banking.now(pending[0])).status == "completed"
    assert (await banking.now(pending[1])).reason == "payee_balance_limit_exceeded"
    assert set(await banking.start()) == {(pending[1].id, REVERSAL)}
    assert await banking.account(wallet) == (AMOUNT, 0)


async def test_money_for_a_bank_counts_for_the_day_it_was_sent(
    banking: Banking, bank: Bank
) -> None:
    """Across midnight too: refused later, it leaves the new day whole."""
    city = banking.city
    tier = await city.tier("nightly", daily_limit=AMOUNT)
    holder, wallet = await banking.wallet(10 * AMOUNT, tier=tier)
    withdraw = lambda: banking.send(  # noqa: E731  the same again and again
        city.order(holder, wallet, bank.customer, AMOUNT, type="withdrawal")
    )
    await city.set_time(MIDNIGHT - timedelta(seconds=1))
    evening, over = await withdraw(), await withdraw()
    assert set(await banking.start()) == {(evening.id, CREDIT)}
    assert (await banking.now(over)).reason == "daily_limit_exceeded"
    late = await withdraw()
    await city.set_time(MIDNIGHT)
    assert not await banking.start(), "it was sent on a day that is spent"
    assert (await banking.now(late)).reason == "daily_limit_exceeded"
    morning = await withdraw()
    assert set(await banking.start()) == {(morning.id, CREDIT)}
    await banking.answer(evening, CREDIT, "refused")
    again = await withdraw()
    await banking.start()
    assert (await banking.now(again)).reason == "daily_limit_exceeded"
    await banking.answer(morning, CREDIT, "refused")
    assert (await banking.now(await withdraw())).status == "pending"
    await banking.start()
    assert await banking.account(wallet) == (10 * AMOUNT, AMOUNT)


async def test_an_account_closes_only_when_nothing_is_pending(banking: Banking, bank: Bank) -> None:
    """Neither the wallet that pays nor the position that is paid is closed for good before."""
    city = banking.city
    holder, wallet = await banking.wallet(AMOUNT)
    pending = await banking.send(
        city.order(holder, wallet, bank.customer, AMOUNT, type="withdrawal")
    )
    await banking.start()
    for account in (wallet, bank.position):
        await city.change(account, "close")
        assert not await banking.is_closed(account)
    await banking.answer(pending, CREDIT, "accepted")
    assert (await banking.now(pending)).status == "completed"
    assert await banking.account(bank.position) == (AMOUNT, 0)
    assert await banking.is_closed(wallet)
    assert not await banking.is_closed(bank.position), "what it was paid is in it"
    await city.redeem(bank.position, AMOUNT)
    assert await banking.is_closed(bank.position)


async def test_a_customer_pays_another_of_the_same_bank(banking: Banking, bank: Bank) -> None:
    """The bank is asked and told; its position pays itself, and its statement shows both."""
    neighbour = await banking.city.account(bank.holder, "external")
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, neighbour, AMOUNT))
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    await banking.start()
    await banking.answer(pending, CREDIT, "accepted")
    assert (await banking.now(pending)).status == "completed"
    assert await banking.account(bank.position) == (0, 0)


async def test_the_statement_of_a_position(banking: Banking, bank: Bank, merchant: Side) -> None:
    """Every movement for a customer is an entry with the running balance, naming the payment."""
    city = banking.city
    _, shop = merchant
    holder, wallet = await banking.wallet(500)
    moves: list[tuple[str, str, int]] = []
    for amount, direction in ((300, "debit"), (200, "credit"), (50, "debit")):
        if direction == "debit":
            order, kind = city.order(bank.holder, bank.customer, shop, amount), AUTHORIZATION
        else:
            order = city.order(holder, wallet, bank.customer, amount, type="withdrawal")
            kind = CREDIT
        pending = await banking.send(order)
        await banking.start()
        await banking.answer(pending, kind, "approved" if kind == AUTHORIZATION else "accepted")
        await banking.fold()
        moves.append((direction, pending.id, amount))
    entries = await banking.entries(bank.holder, bank.position)
    assert [(one["direction"], str(one["payment"]), one["amount"]) for one in entries] == moves
    assert [one["balance_after"] for one in entries] == [-300, -100, -150]
    assert [one["posting"] for one in entries] == [1, 2, 3]
    assert not await banking.entries(bank.holder, bank.customer), "no money is ever there"


async def test_a_hold_for_an_account_at_a_bank_is_not_permitted(
    banking: Banking, bank: Bank
) -> None:
    """Nobody can promise that a bank will take the money."""
    holder, wallet = await banking.wallet(AMOUNT)
    held = await banking.send(
        banking.city.order(holder, wallet, bank.customer, AMOUNT, capture=False, hold_seconds=60)
    )
    assert (held.status, held.reason) == ("declined", "not_permitted")
