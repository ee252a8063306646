"""A bank that is gone for good: the operator ends what it will not answer any more."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from switch.admin import Operator
from switch.errors import SwitchError
from switch.ledger import Statements
from switch.message import Payment, Step
from switch.queries import QUERIES
from switch.upkeep import prune_bank_calls
from tests.databases import JOBS, Database
from tests.ledger.banking import AUTHORIZATION, CREDIT, REVERSAL, Bank, Banking, Side
from tests.ledger.city import NOON
from tests.ledger.test_bank_refunds import blocked, paid, refund
from tests.ledger.test_bank_timeline import seen

REASON = "wound up, notice 12"
LATER = NOON + timedelta(days=400)


async def withdrawing(banking: Banking, bank: Bank, amount: int = 100) -> Payment | Step:
    """Money from a wallet on its way to the bank, which is asked and says nothing."""
    holder, wallet = await banking.wallet(amount)
    order = banking.city.order(holder, wallet, bank.customer, amount, type="withdrawal")
    pending = await banking.send(order)
    await banking.start()
    await banking.answer(pending, CREDIT, None, result="status 503")
    return pending


async def reversing(banking: Banking, bank: Bank, shop: UUID) -> Payment | Step:
    """A payment that was declined as the bank said nothing, and is to be reversed there."""
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, shop, 100))
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "unknown")
    return pending


def call(payment: Payment | Step, kind: str, decision: str, outcome: str) -> dict[str, object]:
    """One call as the operator is shown what became of it."""
    return {
        "payment": UUID(payment.id), "kind": kind, "decision": decision, "outcome": outcome,
    }  # fmt: skip


async def test_a_credit_that_is_given_up_declines_its_payment(
    banking: Banking, bank: Bank, lane: Statements
) -> None:
    """The payer has its money again and is told so; why is kept; a repeat changes nothing."""
    pending = await withdrawing(banking, bank)
    wallet = UUID(str(pending.payer))
    assert await banking.account(wallet) == (100, 100)
    for _ in range(2):
        (ended,) = await banking.give_up(bank, pending, reason=REASON)
        assert ended == call(pending, "credit", "given_up", "issuer_unavailable")
    now = await banking.now(pending)
    assert (now.status, now.reason) == ("declined", "issuer_unavailable")
    assert await banking.account(wallet) == (100, 0)
    assert await banking.account(bank.position) == (0, 0)
    assert not await banking.start(), "nobody is asked any more"
    told = [(who, kind) for who, subject, kind in await banking.told() if subject == pending.id]
    assert [kind for _, kind in told] == [3]
    (answered,) = [one for one in await seen(lane, pending) if one.what == "answered"]
    assert (answered.decision, answered.attempts) == ("given_up", 1)
    assert answered.result == f"{REASON}; before: status 503"


async def test_a_refund_that_is_given_up_can_be_made_again(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """The merchant has its money, and all of the payment is left to be refunded."""
    payment = await paid(banking, bank, merchant[1])
    step = await banking.send(refund(banking, merchant, payment, None))
    await banking.give_up(bank, step, reason=REASON)
    assert (await banking.now(step)).reason == "issuer_unavailable"
    assert await banking.account(merchant[1]) == (100, 0)
    again = await banking.send(refund(banking, merchant, payment, None))
    assert again.status == "pending"


async def test_a_reversal_that_is_given_up_is_not_sent_any_more(
    banking: Banking, bank: Bank, merchant: Side, lane: Statements
) -> None:
    """The payment was declined before and stays so; the timeline says why nobody repeats it."""
    pending = await reversing(banking, bank, merchant[1])
    (ended,) = await banking.give_up(bank, pending, reason=REASON)
    assert ended == call(pending, "reversal", "given_up", "issuer_timeout")
    assert not await banking.start()
    assert (await banking.now(pending)).reason == "issuer_timeout"
    last = (await seen(lane, pending))[-1]
    assert (last.call, last.decision, last.result) == ("reversal", "given_up", REASON)


async def test_only_what_the_bank_was_told_is_given_up(banking: Banking, bank: Bank) -> None:
    """Between two banks: the payer's bank is told to undo it, however often it is given up."""
    other = await banking.bank()
    pending = await banking.send(
        banking.city.order(bank.holder, bank.customer, other.customer, 100)
    )
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    for _ in range(2):
        await banking.give_up(other, pending, reason=REASON)
    assert await banking.account(bank.position) == (0, 0)
    assert list(await banking.start()) == [(pending.id, REVERSAL)]


async def test_between_two_customers_of_a_bank_nothing_is_left(
    banking: Banking, bank: Bank
) -> None:
    """Giving up the credit makes the reversal, which is given up with it."""
    second = await banking.city.account(bank.holder, "external")
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, second, 100))
    await banking.start()
    await banking.answer(pending, AUTHORIZATION, "approved")
    ended = await banking.give_up(bank, pending, reason=REASON)
    assert [(one["kind"], one["decision"]) for one in ended] == [
        ("credit", "given_up"), ("reversal", "given_up"),
    ]  # fmt: skip
    assert not await banking.start()


async def test_what_the_bank_has_decided_stands(banking: Banking, bank: Bank) -> None:
    """Who comes after the bank's answer is told of it, and nothing changes."""
    pending = await withdrawing(banking, bank)
    await banking.answer(pending, CREDIT, "accepted")
    (ended,) = await banking.give_up(bank, pending, reason=REASON)
    assert ended == call(pending, "credit", "accepted", "approved")
    assert (await banking.now(pending)).status == "completed"
    assert await banking.account(UUID(str(pending.payer))) == (0, 0)


async def test_an_answer_that_comes_too_late_is_kept_for_the_operator(
    banking: Banking, bank: Bank, lane: Statements
) -> None:
    """It decides nothing, however often it is recorded; but somebody has to pay for it."""
    pending = await withdrawing(banking, bank)
    await banking.city.set_time(NOON + timedelta(seconds=1))
    await banking.give_up(bank, pending, reason=REASON)
    await banking.city.set_time(NOON + timedelta(seconds=2))
    for _ in range(2):
        assert await banking.answer(pending, CREDIT, "accepted") == 0
    assert (await banking.now(pending)).reason == "issuer_unavailable"
    assert await banking.account(UUID(str(pending.payer))) == (100, 0)
    (answered,) = [one for one in await seen(lane, pending) if one.what == "answered"]
    assert answered.result == f"{REASON}; before: status 503; too late: accepted"


@pytest.mark.parametrize("first", ["bank", "operator"])
async def test_the_bank_answers_at_the_same_moment(
    banking: Banking, bank: Bank, database: Database, first: str
) -> None:
    """Whoever comes second waits for the other one's end, and finds it decided."""
    pending = await withdrawing(banking, bank)
    admin, jobs = await database.connect(), await database.connect(JOBS)
    settle = jobs.fetchval(
        QUERIES["settle_bank_calls"],
        [UUID(pending.id)], [CREDIT], ["accepted"], [None], [timedelta()],
    )  # fmt: skip
    give_up = Operator(admin).give_up_calls(bank.holder.id, UUID(pending.id), reason=REASON)
    ways = {"bank": (jobs, settle, give_up), "operator": (admin, give_up, settle)}
    connection, one, other = ways[first]
    transaction = connection.transaction()
    await transaction.start()
    await one
    waiting = asyncio.create_task(other)
    await blocked(banking.admin, (admin if connection is jobs else jobs).get_server_pid())
    await transaction.commit()
    await waiting
    now = await banking.now(pending)
    left = await banking.account(UUID(str(pending.payer)))
    if first == "bank":
        assert (now.status, left) == ("completed", (0, 0))
    else:
        assert (now.reason, left) == ("issuer_unavailable", (100, 0))
    for one_of_both in (admin, jobs):
        await one_of_both.close()


async def test_what_cannot_be_given_up(banking: Banking, bank: Bank, merchant: Side) -> None:
    """An authorization, which ends by itself; what the bank never heard of; a text that is none."""
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, merchant[1], 100))
    await banking.start()
    with pytest.raises(SwitchError, match="declined at its deadline"):
        await banking.give_up(bank, pending, reason=REASON)
    assert await banking.account(bank.position) == (0, 100)
    other = await withdrawing(banking, await banking.bank())
    with pytest.raises(SwitchError, match="switch bank calls"):
        await banking.give_up(bank, other, reason=REASON)
    assert (await banking.now(other)).status == "pending"
    with pytest.raises(SwitchError, match="--reason"):
        await banking.give_up(bank, other, reason="")
    with pytest.raises(SwitchError, match="no participant"):
        await Operator(banking.admin).give_up_calls("nobody", UUID(other.id), reason=REASON)


async def test_all_of_a_bank_is_given_up_when_it_gets_no_more(
    banking: Banking, bank: Bank, merchant: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while it has a URL. Listed before as waiting, afterwards as given up, and counted."""
    monkeypatch.setattr("switch.limits.BANK_CALLS_LISTED_MAX", 2)
    operator = Operator(banking.admin)
    waiting = [await withdrawing(banking, bank, amount) for amount in (1, 2, 3)]
    waiting.append(await reversing(banking, bank, merchant[1]))
    elsewhere = await withdrawing(banking, await banking.bank())
    with pytest.raises(SwitchError, match="--bank-url ''"):
        await operator.give_up_all_calls(bank.holder.id, reason=REASON)
    await banking.set_url(bank.holder, "")
    monkeypatch.setattr("switch.limits.BANK_CALLS_LISTED_MAX", 3)
    listed = await operator.bank_calls(bank.holder.id)
    assert [str(row["payment"]) for row in listed] == [one.id for one in waiting[:3]]
    assert (listed[0]["kind"], listed[0]["amount"], listed[0]["attempts"]) == ("credit", 1, 1)
    assert (listed[0]["account"], listed[0]["result"]) == (bank.customer, "status 503")
    ended = await operator.give_up_all_calls(bank.holder.id, reason=REASON)
    assert [str(row["payment"]) for row in ended] == [one.id for one in waiting]
    assert {row["decision"] for row in ended} == {"given_up"}
    assert await operator.give_up_all_calls(bank.holder.id, reason=REASON) == []
    assert (await banking.now(elsewhere)).status == "pending"
    assert await operator.bank_calls(bank.holder.id) == []
    monkeypatch.setattr("switch.limits.BANK_CALLS_LISTED_MAX", 10)
    given_up = await operator.bank_calls(bank.holder.id, given_up=True)
    assert [str(row["payment"]) for row in given_up] == [one.id for one in waiting]
    backlog = {row["participant"]: row for row in await banking.admin.fetch(
        QUERIES["read_bank_backlog"])}[bank.holder.id]  # fmt: skip
    assert tuple(backlog)[1:] == (0, 0, 0, 0, 3, 1)


async def test_what_was_given_up_is_kept(
    banking: Banking, bank: Bank, jobs: asyncpg.Connection
) -> None:
    """Calls that banks answered are forgotten after a while; these are for whoever reconciles."""
    given_up, answered = [await withdrawing(banking, bank) for _ in range(2)]
    await banking.give_up(bank, given_up, reason=REASON)
    await banking.answer(answered, CREDIT, "accepted")
    await banking.city.set_time(LATER)
    while await prune_bank_calls(jobs, 1, 1000):
        pass
    kept = await banking.admin.fetch(
        "SELECT payment FROM ledger.bank_call WHERE participant_no = $1", bank.holder.no
    )
    assert [str(row["payment"]) for row in kept] == [given_up.id]
