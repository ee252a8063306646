"""Payments that a bank decides: reserved at its position, moved or released by what it answers."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from switch.upkeep import prune_bank_calls
from tests.ledger.banking import AUTHORIZATION, CREDIT, REVERSAL, Bank, Banking, Side
from tests.ledger.city import NOON
from tests.ledger.funding import set_tariff, use_tariff
from tests.ledger.funds import Share


async def test_a_bank_that_approves_pays_from_its_position(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """Pending until then, held at the position; the customer's account never has any money."""
    holder, shop = merchant
    order = banking.city.order(bank.holder, bank.customer, shop, 300, type="purchase")
    pending = await banking.send(order)
    assert (pending.status, pending.reason) == ("pending", None)
    ((_, call),) = (await banking.start()).items()
    assert (call["kind"], call["participant"], call["amount"]) == (1, bank.holder.id, 300)
    assert await banking.account(bank.position) == (0, 300)
    assert await banking.send(order) == pending
    assert await banking.answer(pending, AUTHORIZATION, "approved") == 1
    decided = await banking.send(order)
    assert (decided.status, decided.created_at) == ("completed", pending.created_at)
    assert await banking.account(bank.position) == (-300, 0)
    assert await banking.account(shop) == (300, 0)
    assert await banking.account(bank.customer) == (0, 0)
    told = [one for one in await banking.told() if one[1] == pending.id]
    assert told == sorted([(bank.holder.id, pending.id, 1), (holder.id, pending.id, 1)])


@pytest.mark.parametrize(
    ("decision", "reason", "is_reversed"),
    [
        ("declined", "issuer_declined", False),
        ("unknown", "issuer_timeout", True),
        ("unavailable", "issuer_unavailable", True),
    ],
)
async def test_what_is_not_approved_is_released(
    banking: Banking, bank: Bank, merchant: Side, decision: str, reason: str, is_reversed: bool
) -> None:
    """The position is free again, the payer told; what may stand at the bank is undone there."""
    _, shop = merchant
    order = banking.city.order(bank.holder, bank.customer, shop, 300, type="purchase")
    pending = await banking.send(order)
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, decision)
    assert (await banking.send(order)).reason == reason
    assert await banking.account(bank.position) == (0, 0)
    assert [one for one in await banking.told() if one[1] == pending.id] == [
        (bank.holder.id, pending.id, 3)
    ]
    calls = await banking.start()
    assert ((pending.id, REVERSAL) in calls) == is_reversed
    if is_reversed:
        assert calls[pending.id, REVERSAL]["reason"] == reason
        await banking.answer(pending, REVERSAL, None)
        assert (pending.id, REVERSAL) in await banking.start(), "until it is acknowledged"
        await banking.answer(pending, REVERSAL, "acknowledged")
        assert not await banking.start()


async def test_an_approval_that_comes_late_is_reversed(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """Past the deadline the payment is declined, whichever of clock and bank is seen first."""
    _, shop = merchant
    orders = [banking.city.order(bank.holder, bank.customer, shop, 10) for _ in range(2)]
    first, second = [await banking.send(order) for order in orders]
    assert len(await banking.start()) == 2
    await banking.city.set_time(NOON + timedelta(seconds=30))
    await banking.answer(first, AUTHORIZATION, "approved")
    await banking.time_out()
    assert await banking.answer(second, AUTHORIZATION, "approved") == 0
    for order in orders:
        assert (await banking.send(order)).reason == "issuer_timeout"
    assert set(await banking.start()) == {(first.id, REVERSAL), (second.id, REVERSAL)}
    assert await banking.account(bank.position) == (0, 0)


async def test_a_message_is_not_decided_after_it_expired(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """The bank's deadline ends with the message; one that was not begun by then is expired."""
    _, shop = merchant
    until = NOON + timedelta(seconds=10)
    first = await banking.send(
        banking.city.order(bank.holder, bank.customer, shop, 10, expires_at=until)
    )
    await banking.start()
    second = await banking.send(
        banking.city.order(bank.holder, bank.customer, shop, 10, expires_at=until)
    )
    await banking.city.set_time(until)
    await banking.time_out()
    await banking.start()
    assert (await banking.now(first)).reason == "issuer_timeout"
    assert (await banking.now(second)).reason == "expired"


async def test_money_for_a_bank_waits_until_it_is_taken(banking: Banking, bank: Bank) -> None:
    """A withdrawal is held at the wallet however long the bank takes, then moved or given back."""
    city = banking.city
    tier = await city.tier("day", daily_limit=500)
    holder, wallet = await banking.wallet(500, tier=tier)
    orders = [city.order(holder, wallet, bank.customer, 250, type="withdrawal") for _ in range(3)]
    sent = [await banking.send(order) for order in orders]
    calls = await banking.start()
    taken, refused = [one for one in sent if (one.id, CREDIT) in calls]
    [short] = [one for one in sent if one not in (taken, refused)]
    assert (await banking.now(short)).reason == "daily_limit_exceeded"
    assert await banking.account(wallet) == (500, 500)
    await city.set_time(NOON + timedelta(hours=3))
    await banking.time_out()
    await banking.answer(taken, CREDIT, None, wait_s=60)
    assert not await banking.start()
    await city.set_time(NOON + timedelta(hours=4))
    assert set(await banking.start()) == {(taken.id, CREDIT)}
    await banking.answer(taken, CREDIT, "accepted")
    await banking.answer(refused, CREDIT, "refused")
    assert (await banking.now(taken)).status == "completed"
    assert (await banking.now(refused)).reason == "issuer_declined"
    assert await banking.account(wallet) == (250, 0)
    assert await banking.account(bank.position) == (250, 0)
    again = await banking.send(city.order(holder, wallet, bank.customer, 250, type="withdrawal"))
    await banking.start()
    assert (await banking.now(again)).status == "pending", "what came back may be spent today"


async def test_between_two_banks_both_have_a_say(banking: Banking, bank: Bank) -> None:
    """Asked at the payer's, then told to the payee's; what that refuses the payer's undoes."""
    other = await banking.bank()
    for decision, balances in (("refused", (0, 0)), ("accepted", (-70, 70))):
        order = banking.city.order(bank.holder, bank.customer, other.customer, 70)
        pending = await banking.send(order)
        assert set(await banking.start()) == {(pending.id, AUTHORIZATION)}
        await banking.answer(pending, AUTHORIZATION, "approved")
        assert (await banking.now(pending)).status == "pending"
        assert set(await banking.start()) == {(pending.id, CREDIT)}
        await banking.answer(pending, CREDIT, decision)
        assert (await banking.account(bank.position))[0] == balances[0]
        assert (await banking.account(other.position))[0] == balances[1]
        assert ((pending.id, REVERSAL) in await banking.start()) == (decision == "refused")


async def test_a_hold_at_a_bank_has_the_life_of_a_hold(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """Its position keeps the money: captured in parts, voided, expired, refunded by way of it."""
    holder, shop = merchant
    city = banking.city
    pending = await banking.send(
        city.order(bank.holder, bank.customer, shop, 300, capture=False, hold_seconds=600)
    )
    early = await banking.send(city.step(holder, "capture", UUID(pending.id)))
    assert early.reason == "wrong_state"
    ((_, call),) = (await banking.start()).items()
    assert call["hold_expires_at"] == NOON + timedelta(seconds=600)
    await banking.answer(pending, AUTHORIZATION, "approved")
    assert (await banking.now(pending)).status == "held"
    captured = await banking.send(city.step(holder, "capture", UUID(pending.id), amount=100))
    assert captured.status == "completed"
    assert await banking.account(bank.position) == (-100, 200)
    final = city.step(holder, "capture", UUID(pending.id), amount=50, final=True)
    assert (await banking.send(final)).status == "completed"
    assert await banking.account(bank.position) == (-150, 0)
    assert await banking.account(shop) == (150, 0)
    late = await banking.send(
        city.order(bank.holder, bank.customer, shop, 300, capture=False, hold_seconds=60)
    )
    await banking.start()
    await banking.answer(late, AUTHORIZATION, "approved")
    await city.set_time(NOON + timedelta(seconds=60))
    after = await banking.send(city.step(holder, "capture", UUID(late.id)))
    assert after.reason == "hold_expired"
    assert (await banking.now(late)).status == "expired"


async def test_a_bank_gets_as_many_calls_as_it_has_room_for(banking: Banking, bank: Bank) -> None:
    """Authorizations first, those that are due longest; another bank's calls are not fewer."""
    city = banking.city
    other = await banking.bank()
    holder, wallet = await banking.wallet(500)
    for payee in (bank.customer, bank.customer, other.customer):
        await banking.send(city.order(holder, wallet, payee, 10, type="withdrawal"))
    await banking.start(room={bank.holder.no: 0, other.holder.no: 0})
    asked = [
        await banking.send(city.order(bank.holder, bank.customer, wallet, 10)) for _ in range(2)
    ]
    calls = await banking.start(room={bank.holder.no: 2})
    of_bank = {one for one, row in calls.items() if row["participant_no"] == bank.holder.no}
    assert of_bank == {(one.id, AUTHORIZATION) for one in asked}
    assert [row["kind"] for row in calls.values() if row["participant_no"] == other.holder.no] == [
        CREDIT
    ]
    assert len(await banking.start(room={bank.holder.no: 1})) == 1
    assert len(await banking.start()) == 1
    assert await banking.start() == {}


async def test_a_call_is_forgotten_when_it_was_finished_long_ago(
    banking: Banking, bank: Bank, jobs: asyncpg.Connection
) -> None:
    """Not before, and never one that is open; what it led to stays."""
    city = banking.city
    await banking.admin.execute("DELETE FROM ledger.bank_call WHERE finished_at IS NOT NULL")
    holder, wallet = await banking.wallet(500)
    done, waiting = [
        await banking.send(city.order(holder, wallet, bank.customer, 10, type="withdrawal"))
        for _ in range(2)
    ]
    await banking.start()
    await banking.answer(done, CREDIT, "accepted")
    await banking.answer(waiting, CREDIT, None)
    known = "SELECT count(*) FROM ledger.bank_call WHERE payment = ANY ($1)"
    both = [UUID(done.id), UUID(waiting.id)]
    for past, left in ((0, 2), (1, 1)):
        await city.set_time(NOON + timedelta(days=90, seconds=past))
        while await prune_bank_calls(jobs, 90, 1):  # one at a time, other tests' too
            pass
        assert await banking.admin.fetchval(known, both) == left
    assert (await banking.now(done)).status == "completed"
    assert set(await banking.start()) == {(waiting.id, CREDIT)}


async def test_a_call_is_remembered_while_its_payment_is_not_at_its_end(
    banking: Banking, bank: Bank, jobs: asyncpg.Connection
) -> None:
    """Who approved long ago is still told when the payee's bank refuses in the end."""
    other = await banking.bank()
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, other.customer, 70))
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    await banking.start()
    await banking.city.set_time(NOON + timedelta(days=400))
    while await prune_bank_calls(jobs, 1, 100):
        pass
    await banking.answer(pending, CREDIT, "refused")
    assert (pending.id, REVERSAL) in await banking.start()


async def test_what_a_bank_pays_is_shared_by_the_tariff(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """When the money moves: the merchant gets the rest; a refund returns the whole amount."""
    holder, shop = merchant
    city = banking.city
    fee = await city.account(holder, "fee")
    share = Share(account=fee, parts_per_million=10_000, fixed=2)
    await set_tariff(city, "banked", share)
    await use_tariff(city, shop, "banked")
    order = city.order(bank.holder, bank.customer, shop, 300, type="purchase")
    pending = await banking.send(order)
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    assert (await banking.account(shop), await banking.account(fee)) == ((295, 0), (5, 0))
    assert await banking.account(bank.position) == (-300, 0)


async def test_a_bank_pays_with_no_coupon(banking: Banking, bank: Bank, merchant: Side) -> None:
    """Coupons are wallets', and what a bank has to decide names none."""
    _, shop = merchant
    order = banking.city.order(
        bank.holder, bank.customer, shop, 300, type="purchase", coupon=banking.city.new_id()
    )
    assert (await banking.send(order)).reason == "not_permitted"
    assert not await banking.start()
