"""The operator's reversal where a bank holds the money: told as of a refund, or refused."""

from uuid import UUID

import pytest

from switch.admin import Operator
from switch.errors import SwitchError
from switch.message import Payment, Step
from switch.queries import QUERIES
from switch.reads import present_payment
from tests.ledger.banking import AUTHORIZATION, CREDIT, Bank, Banking, Side
from tests.ledger.test_bank_refunds import AMOUNT, paid, refund


async def reverse(
    banking: Banking, payment: Payment | Step, made: UUID | None = None
) -> tuple[Payment | Step, str]:
    """A reversal as it was made, and what the operator is told of it."""
    made, outcome = await Operator(banking.admin).reverse(
        UUID(payment.id), reason="double entry, ticket 88", payment_id=made
    )
    (row,) = await banking.admin.fetch(QUERIES["read_payments"], None, [made])
    return present_payment(row), outcome


async def test_a_reversal_waits_until_the_payers_bank_has_accepted_it(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """Held at the payee, told to the bank as a credit of its parent, then moved; both are told."""
    payment = await paid(banking, bank, merchant[1])
    reversal, outcome = await reverse(banking, payment)
    assert (outcome, reversal.status, reversal.amount) == ("pending", "pending", AMOUNT)
    assert await banking.account(merchant[1]) == (AMOUNT, AMOUNT)
    assert (await banking.now(payment)).amount_refunded == 0
    ((_, call),) = (await banking.start()).items()
    assert (call["kind"], call["type"], str(call["parent"])) == (CREDIT, "reversal", payment.id)
    assert (call["account"], call["amount"]) == (bank.customer, AMOUNT)
    assert call["description"] == "double entry, ticket 88"
    again, outcome = await reverse(banking, payment, UUID(reversal.id))
    assert (again, outcome) == (reversal, "pending")
    await banking.answer(reversal, CREDIT, "accepted")
    for _ in range(2):
        again, outcome = await reverse(banking, payment, UUID(reversal.id))
        assert (again.status, outcome) == ("completed", "approved")
    assert await banking.account(merchant[1]) == (0, 0)
    assert await banking.account(bank.position) == (0, 0)
    assert (await banking.now(payment)).status == "refunded"
    told = [one for one in await banking.told() if one[1] == reversal.id]
    assert told == sorted([(bank.holder.id, reversal.id, 1), (merchant[0].id, reversal.id, 1)])
    with pytest.raises(SwitchError, match="nothing of payment"):
        await reverse(banking, payment)


@pytest.mark.parametrize("how", ["refused", "given up"])
async def test_a_reversal_that_does_not_get_there_changes_nothing(
    banking: Banking, bank: Bank, merchant: Side, how: str
) -> None:
    """Declined; the payee has its money, and another reversal may be made."""
    payment = await paid(banking, bank, merchant[1])
    reversal, _ = await reverse(banking, payment)
    await banking.start()
    if how == "refused":
        await banking.answer(reversal, CREDIT, "refused")
    else:
        await banking.give_up(bank, reversal, reason="gone")
    _, outcome = await reverse(banking, payment, UUID(reversal.id))
    assert outcome == {"refused": "issuer_declined", "given up": "issuer_unavailable"}[how]
    assert await banking.account(merchant[1]) == (AMOUNT, 0)
    assert (await banking.now(payment)).status == "completed"
    assert (await reverse(banking, payment))[1] == "pending"


async def test_one_of_them_at_a_time(banking: Banking, bank: Bank, merchant: Side) -> None:
    """Neither reversals nor refunds of a payment stand beside a reversal that waits."""
    payment = await paid(banking, bank, merchant[1])
    step = await banking.send(refund(banking, merchant, payment, 30))
    with pytest.raises(SwitchError, match="waits for a bank"):
        await reverse(banking, payment)
    await banking.start()
    await banking.answer(step, CREDIT, "accepted")
    reversal, _ = await reverse(banking, payment)
    assert reversal.amount == AMOUNT - 30
    with pytest.raises(SwitchError, match="waits for a bank"):
        await reverse(banking, payment)
    late = await banking.send(refund(banking, merchant, payment, None))
    assert late.reason == "wrong_state"
    await banking.start()
    await banking.answer(reversal, CREDIT, "accepted")
    assert (await banking.now(payment)).status == "refunded"
    assert await banking.account(bank.position) == (0, 0)


async def test_what_is_not_decided_is_not_reversed(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """The operator is told that it waits."""
    pending = await banking.send(banking.city.order(bank.holder, bank.customer, merchant[1], 1))
    with pytest.raises(SwitchError, match=f"payment {pending.id} waits for a bank"):
        await reverse(banking, pending)


async def test_a_reversal_of_what_was_spent_is_declined(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """As between accounts here, and the bank hears nothing of it; a repeat says the same."""
    payment = await paid(banking, bank, merchant[1])
    _, wallet = await banking.wallet(0)
    await banking.send(banking.city.order(merchant[0], merchant[1], wallet, 1))
    reversal, outcome = await reverse(banking, payment)
    assert (outcome, reversal.reason) == ("insufficient_funds", "insufficient_funds")
    assert (await reverse(banking, payment, UUID(reversal.id)))[1] == "insufficient_funds"
    assert not await banking.start()


async def test_a_bank_that_cannot_be_told(banking: Banking, bank: Bank, merchant: Side) -> None:
    """Declined at once: nothing is held for somebody who does not listen."""
    payment = await paid(banking, bank, merchant[1])
    await banking.set_url(bank.holder, "")
    assert (await reverse(banking, payment))[1] == "issuer_unavailable"
    assert await banking.account(merchant[1]) == (AMOUNT, 0)


async def test_a_payee_at_a_bank_is_refused(banking: Banking, bank: Bank) -> None:
    """Whoever the payer is: only that bank can give the money back, by a refund."""
    holder, wallet = await banking.wallet(AMOUNT)
    other = await banking.bank()
    withdrawal = await banking.send(
        banking.city.order(holder, wallet, bank.customer, AMOUNT, type="withdrawal")
    )
    transfer = await banking.send(
        banking.city.order(other.holder, other.customer, bank.customer, AMOUNT)
    )
    await banking.start()
    await banking.answer(transfer, AUTHORIZATION, "approved")
    await banking.start()
    for payment in (withdrawal, transfer):
        await banking.answer(payment, CREDIT, "accepted")
        with pytest.raises(SwitchError, match="ask the payee's participant to refund"):
            await reverse(banking, payment)


async def test_the_id_of_a_reversal_that_waits_is_spent(
    banking: Banking, bank: Bank, merchant: Side
) -> None:
    """On that and nothing else, before and after it is decided."""
    payment, other = [await paid(banking, bank, merchant[1]) for _ in range(2)]
    reversal, _ = await reverse(banking, payment)
    for _ in range(2):
        with pytest.raises(SwitchError, match="used for another payment"):
            await reverse(banking, other, UUID(reversal.id))
        with pytest.raises(SwitchError, match="used for another payment"):
            await Operator(banking.admin).issue(
                merchant[1], AMOUNT, reason="x", payment_id=UUID(reversal.id)
            )
        await banking.start()
        await banking.answer(reversal, CREDIT, "accepted")
