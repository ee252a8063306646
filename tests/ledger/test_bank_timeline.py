"""The timeline of what a bank decides, and of events that nobody takes: who may know what of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from switch.ledger import Statements
from switch.message import Payment, Step
from switch.queries import QUERIES
from switch.timeline import TimelineEntry
from switch.trail import read_timeline
from tests.ledger.banking import AUTHORIZATION, CREDIT, REVERSAL, Bank, Banking, Side
from tests.ledger.city import NOON, Participant

SECOND = timedelta(seconds=1)


async def seen(
    lane: Statements, payment: Payment | Step, reader: Participant | None = None
) -> list[TimelineEntry]:
    """The entries, for a participant or for the operator; when the message came is left out."""

    async def fetch(query: str, *arguments: Any) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await lane.connection.fetch(QUERIES[query], *arguments)
        return rows

    found = await read_timeline(fetch, reader and reader.no, UUID(payment.id))
    assert found is not None
    return [entry for entry in found.entries if entry.what != "received"]


def whats(entries: list[TimelineEntry]) -> list[str]:
    """What happened, with the call it is about."""
    return [f"{one.what} {one.call}" if one.call else one.what for one in entries]


async def test_what_waits_is_accepted_and_not_decided(
    banking: Banking, bank: Bank, merchant: Side, lane: Statements
) -> None:
    """For both sides; the bank and the operator see what its server said so far."""
    holder, shop = merchant
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, shop, 300))
    assert whats(await seen(lane, pending, holder)) == ["accepted"]
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, None, result="status 503")
    for reader in (None, bank.holder):
        accepted, asked = await seen(lane, pending, reader)
        assert (accepted.amount, accepted.status, accepted.work_us is None) == (300, None, False)
        assert (asked.what, asked.call, asked.participant) == (
            "asked", "authorization", bank.holder.id,
        )  # fmt: skip
        assert (asked.account, asked.attempts) == (str(bank.customer), 1)
        assert asked.result == "status 503"
    assert whats(await seen(lane, pending, holder)) == ["accepted"], "the payee is not told more"


async def test_what_a_bank_decided_is_dated_by_its_answer(
    banking: Banking, bank: Bank, merchant: Side, lane: Statements
) -> None:
    """Accepted then, decided now; its posting at the position, its events behind the decision."""
    holder, shop = merchant
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, shop, 300))
    await banking.start()
    await banking.city.set_time(NOON + 20 * SECOND)
    await banking.answer(pending, AUTHORIZATION, "approved")
    await banking.told()
    await banking.fold()
    entries = await seen(lane, pending, bank.holder)
    assert whats(entries) == [
        "accepted", "asked authorization", "answered authorization", "decided", "debited", "told",
    ]  # fmt: skip
    accepted, _, answered, decided, debited, told = entries
    assert (answered.decision, answered.attempts) == ("approved", 1)
    assert accepted.at < answered.at == decided.at == debited.at == told.at
    assert (decided.status, decided.work_us) == ("completed", None)
    assert (debited.account, debited.posting, debited.balance_after) == (
        str(bank.position), 1, -300,
    )  # fmt: skip
    assert (told.participant, told.event) == (bank.holder.id, "payment.completed")
    now = await banking.now(pending)
    assert now.created_at == pending.created_at == accepted.at, "an answer says when it came"
    happened_at = await lane.connection.fetchval(
        "SELECT happened_at FROM ledger.read_events($1, 0, 100) WHERE subject = $2",
        bank.holder.no, UUID(pending.id),
    )  # fmt: skip
    assert happened_at == NOON + 20 * SECOND, "its event says when it was decided"
    theirs = await seen(lane, pending, holder)
    assert whats(theirs) == ["accepted", "decided", "credited", "told"]
    assert (theirs[2].account, theirs[2].balance_after) == (str(shop), 300)
    everything = whats(await seen(lane, pending))
    assert [everything.count(what) for what in ("debited", "credited", "told")] == [1, 1, 2]


async def test_a_bank_s_words_are_the_bank_s(
    banking: Banking, bank: Bank, lane: Statements
) -> None:
    """Who sent the money is told that the other bank was asked and answered, not what it said."""
    city = banking.city
    holder, wallet = await banking.wallet(100)
    pending = await banking.send(city.order(holder, wallet, bank.customer, 100, type="withdrawal"))
    await banking.start()
    await banking.answer(pending, CREDIT, "refused", result="account dormant")
    entries = await seen(lane, pending, holder)
    assert whats(entries) == ["accepted", "asked credit", "answered credit", "decided"]
    for call in entries[1:3]:
        assert (call.participant, call.account, call.attempts, call.result) == (None,) * 4
    assert entries[2].decision == "refused"
    (answered,) = [one for one in await seen(lane, pending, bank.holder) if one.what == "answered"]
    assert (answered.participant, answered.result) == (bank.holder.id, "account dormant")


async def test_calls_of_one_moment_stand_in_the_order_of_their_causes(
    banking: Banking, bank: Bank, lane: Statements
) -> None:
    """Between two banks, refused by the second: the first is asked, and in the end reversed."""
    other = await banking.bank()
    pending = await banking.send(
        banking.city.order(bank.holder, bank.customer, other.customer, 100)
    )
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    await banking.start()
    await banking.answer(pending, CREDIT, "refused")
    await banking.start()
    await banking.answer(pending, REVERSAL, "acknowledged")
    await banking.told()
    whole = [
        "accepted", "asked authorization", "answered authorization", "asked credit",
        "answered credit", "decided", "told", "asked reversal", "answered reversal",
    ]  # fmt: skip
    assert whats(await seen(lane, pending)) == whole
    assert whats(await seen(lane, pending, bank.holder)) == whole, "it sent the message"
    theirs = whats(await seen(lane, pending, other.holder))
    assert theirs == ["accepted", "asked credit", "answered credit", "decided"]


async def test_a_refund_that_waits_stands_in_its_payment_s_timeline(
    banking: Banking, bank: Bank, merchant: Side, lane: Statements
) -> None:
    """Accepted there, and for who asks for the step itself as well."""
    holder, shop = merchant
    payment = await banking.send(banking.city.order(bank.holder, bank.customer, shop, 300))
    await banking.start()
    await banking.answer(payment, AUTHORIZATION, "approved")
    refund = await banking.send(banking.city.step(holder, "refund", UUID(payment.id), amount=100))
    for asked_for in (payment, refund):
        accepted = [one.id for one in await seen(lane, asked_for, holder) if one.what == "accepted"]
        assert accepted == [payment.id, refund.id]
    await banking.start()
    await banking.answer(refund, CREDIT, "accepted")
    of_refund = [one for one in await seen(lane, payment, holder) if one.id == refund.id]
    assert whats(of_refund) == [
        "accepted", "asked credit", "answered credit", "decided", "debited",
    ]  # fmt: skip


async def test_events_that_are_not_taken_are_shown_to_their_owner(
    banking: Banking, merchant: Side, lane: Statements, jobs: asyncpg.Connection
) -> None:
    """What waits and what is dead, with the last attempt; nobody else is told of it."""
    holder, shop = merchant
    payer, wallet = await banking.wallet(500)
    await banking.admin.execute(
        "SELECT ledger.set_participant($1, 'https://shop.test/events', NULL)", holder.id
    )
    await jobs.fetch(QUERIES["read_delivery_work"], 10)
    payment = await banking.send(banking.city.order(payer, wallet, shop, 100, type="purchase"))
    refund = await banking.send(banking.city.step(holder, "refund", UUID(payment.id), amount=1))
    await banking.told()
    await jobs.execute(
        QUERIES["pass_deliveries"], holder.no, 2, [1, 2], [SECOND, None], ["status 500", None]
    )
    first, second = [
        one for one in await seen(lane, payment, holder) if one.what.startswith("push")
    ]
    assert (first.what, first.id, first.number, first.event) == (
        "push_waits", payment.id, 1, "payment.completed",
    )  # fmt: skip
    assert (first.participant, first.attempts, first.result) == (holder.id, 1, "status 500")
    assert (second.what, second.id, second.attempts) == ("push_waits", refund.id, 0)
    await banking.city.set_time(NOON + 10 * SECOND)
    await jobs.execute(
        QUERIES["settle_deliveries"], holder.no, [1], [SECOND], ["status 501"], SECOND
    )
    whole = await seen(lane, payment)
    (dead,) = [one for one in whole if one.what == "push_dead"]
    assert (dead.id, dead.attempts, dead.result) == (payment.id, 2, "status 501")
    assert not [one for one in await seen(lane, payment, payer) if one.what.startswith("push")]
