"""Later steps of payments in the plain-Python ledger: captures, voids, refunds, bars, reversals.

The same rules as in docs/OUTCOMES.md, in dictionaries; see model.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from switch.ledger import Disposition, StepOrder
from switch.outcome import Outcome
from tests.ledger.funds import back, shares
from tests.ledger.model import (
    COUNTED,
    OPERATOR,
    Account,
    Claim,
    Decision,
    Ledger,
    repeat,
)
from tests.ledger.records import Record

REFUND, REVERSAL, BAR = "refund", "reversal", "bar"
PARTICIPANTS_OWN = frozenset({"purchase", "transfer", "top_up", "withdrawal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCase:
    """One step beside its payment and the accounts it would move money between."""

    order: StepOrder
    at: datetime
    parent: Record | None
    payer: Account | None  # of the step: a refund is paid by whoever was paid
    payee: Account | None
    payee_balance_limit: int | None
    net: int  # of the amount, what the payee gets

    @property
    def is_refund(self) -> bool:
        return self.order.type == REFUND

    @property
    def left(self) -> int:
        """What the step can be about at this time."""
        if self.parent is None:
            return 0
        if self.is_refund:
            return self.parent.captured - self.parent.refunded
        return self.parent.held(self.at)

    @property
    def amount(self) -> int | None:
        """What it is about: what it says, or all that is left; none where nothing is."""
        return self.order.amount or self.left or None

    def exceeds(self, limit: int | None) -> bool:
        return limit is not None and self.amount is not None and self.amount > limit


def _payment_not_found(case: StepCase) -> bool:
    sees = {case.parent.participant_no} if case.parent else set()
    sees |= {account.participant_no for account in (case.payer, case.payee) if account}
    return case.parent is None or case.order.participant_no not in sees


def _not_permitted(case: StepCase) -> bool:
    sender = case.order.participant_no
    of_the_payment = (case.payee, case.payer) if case.is_refund else (case.payer, case.payee)
    payer, payee = of_the_payment
    if payee is not None and payee.participant_no == sender:
        return False
    is_own_transfer = payer is not None and payer.participant_no == sender and _was_held(case)
    is_transfer = case.parent is not None and case.parent.type == "transfer"
    return case.is_refund or not (is_own_transfer and is_transfer)


def _was_held(case: StepCase) -> bool:
    return case.parent is not None and case.parent.hold_expires_at is not None


def _wrong_state(case: StepCase) -> bool:
    parent = case.parent
    if parent is None or not parent.is_approved or parent.type not in PARTICIPANTS_OWN:
        return True
    if case.is_refund:
        return case.left == 0
    return parent.uncaptured == 0


def _is_frozen(account: Account | None) -> bool:
    return account is not None and account.frozen_by is not None


def _is_closed(account: Account | None) -> bool:
    return account is not None and account.lifecycle != "open"


def _payee_balance_limit_exceeded(case: StepCase) -> bool:
    if case.order.type != "capture" or case.payee is None or case.payee_balance_limit is None:
        return False
    return case.net > case.payee_balance_limit - case.payee.balance


def _insufficient_funds(case: StepCase) -> bool:
    return case.is_refund and case.payer is not None and case.exceeds(case.payer.available(case.at))


# In order of precedence, as the rules of a payment.
STEP_RULES: tuple[tuple[Outcome, Callable[[StepCase], bool]], ...] = (
    (Outcome.PAYMENT_NOT_FOUND, _payment_not_found),
    (Outcome.NOT_PERMITTED, _not_permitted),
    (Outcome.WRONG_STATE, _wrong_state),
    (Outcome.HOLD_EXPIRED, lambda case: not case.is_refund and case.left == 0),
    (Outcome.EXCEEDS_HELD, lambda case: not case.is_refund and case.exceeds(case.left)),
    (Outcome.EXCEEDS_CAPTURED, lambda case: case.is_refund and case.exceeds(case.left)),
    (Outcome.PAYER_FROZEN, lambda case: case.is_refund and _is_frozen(case.payer)),
    (Outcome.PAYER_CLOSED, lambda case: case.is_refund and _is_closed(case.payer)),
    (Outcome.PAYEE_CLOSED, lambda case: case.order.type != "void" and _is_closed(case.payee)),
    (Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED, _payee_balance_limit_exceeded),
    (Outcome.INSUFFICIENT_FUNDS, _insufficient_funds),
)
# Before these nobody has looked at what is left, so an answer does not say it.
UNCOUNTED = {Outcome.PAYMENT_NOT_FOUND, Outcome.NOT_PERMITTED, Outcome.WRONG_STATE}


def decide_step(ledger: Ledger, order: StepOrder, at: datetime) -> Decision:
    """Decide one step at this time and do what it says if it is approved."""
    claimed = ledger.claims.get((order.participant_no, order.key))
    if claimed is not None:
        return repeat(claimed, order.digest, order.type, order.parent)
    case = _case(ledger, order, at)
    outcome = next((name for name, applies in STEP_RULES if applies(case)), Outcome.APPROVED)
    ledger.claims[order.participant_no, order.key] = Claim(
        digest=order.digest, payment_id=order.payment_id, outcome=outcome, operation=order.type,
        parent=order.parent,
    )  # fmt: skip
    is_found = outcome is not Outcome.PAYMENT_NOT_FOUND
    ledger.records[order.payment_id] = Record(
        id=order.payment_id, participant_no=order.participant_no, type=order.type,
        payer=case.payer.id if is_found and case.payer else None,
        payee=case.payee.id if is_found and case.payee else None,
        amount=order.amount if outcome in UNCOUNTED else case.amount,
        outcome=outcome, decided_at=at, parent=order.parent,
    )  # fmt: skip
    if outcome is Outcome.APPROVED:
        _take(ledger, case)
    return Decision(disposition=Disposition.DECIDED, payment_id=order.payment_id, outcome=outcome)


def _case(ledger: Ledger, order: StepOrder, at: datetime) -> StepCase:
    parent = ledger.records.get(order.parent)
    payer = ledger.accounts.get(parent.payer) if parent and parent.payer else None
    payee = ledger.accounts.get(parent.payee) if parent and parent.payee else None
    if order.type == REFUND:
        payer, payee = payee, payer
    case = StepCase(
        order=order, at=at, parent=parent, payer=payer, payee=payee,
        payee_balance_limit=ledger.tier_of(payee).balance_limit, net=0,
    )  # fmt: skip
    if parent is None or parent.payee is None or case.amount is None:
        return case
    kept = sum(part for _, part in shares(ledger, parent.type, parent.payee, case.amount))
    return replace(case, net=case.amount - kept)


def _take(ledger: Ledger, case: StepCase) -> None:
    parent, amount = case.parent, case.amount
    assert parent is not None, "a step that is approved has its payment"
    assert case.payer is not None, "and its accounts"
    assert case.payee is not None, "both"
    assert amount is not None, "and an amount"
    if case.is_refund:
        refund(ledger, parent, amount, case.at)
        return
    if case.order.type == "capture":
        parent.captured += amount
        ledger.move(case.payer.id, case.payee.id, amount)
        for account, part in shares(ledger, parent.type, case.payee.id, amount):
            ledger.move(case.payee.id, account, part)
    if case.order.type == "void" or case.order.final:
        released = parent.held(case.at)
        parent.voided += released
        if parent.type in COUNTED:
            ledger.give_back(case.payer, released, parent.decided_at, case.at)


def refund(ledger: Ledger, parent: Record, amount: int, at: datetime) -> None:
    """Move money back the way it came."""
    assert parent.payer is not None, "who paid"
    assert parent.payee is not None, "who was paid"
    ledger.move(parent.payee, parent.payer, amount)
    for account, part in back(ledger, parent, amount, at):
        ledger.move(parent.payer, account, part)
    parent.refunded += amount


def bar(
    ledger: Ledger, participant_no: int, key: str, digest: bytes, payment_id: UUID
) -> Disposition:
    """Spend the key on nothing, unless it is spent."""
    if (participant_no, key) in ledger.claims:
        return Disposition.REPEATED
    ledger.claims[participant_no, key] = Claim(
        digest=digest, payment_id=payment_id, outcome=Outcome.BARRED, operation=BAR
    )
    return Disposition.DECIDED


def reverse(ledger: Ledger, payment_id: UUID, payment: Record, at: datetime) -> Outcome | None:
    """The operator takes back what is captured and not refunded; none where there is nothing.

    It counts as a refund. Neither a freeze nor a limit stops it; a closed account that is paid
    does, and want of money.
    """
    amount = payment.captured - payment.refunded
    if payment.type not in PARTICIPANTS_OWN or not amount or payment.held(at):
        return None
    assert payment.payer is not None, "who was captured from"
    assert payment.payee is not None, "who was paid"
    payer, payee = ledger.accounts[payment.payee], ledger.accounts[payment.payer]
    outcome = Outcome.APPROVED
    if payer.lifecycle == "closed":
        outcome = Outcome.PAYER_CLOSED
    elif payee.lifecycle != "open":
        outcome = Outcome.PAYEE_CLOSED
    elif payer.available(at) < amount:
        outcome = Outcome.INSUFFICIENT_FUNDS
    ledger.records[payment_id] = Record(
        id=payment_id, participant_no=OPERATOR, type=REVERSAL, payer=payer.id, payee=payee.id,
        amount=amount, outcome=outcome, decided_at=at, parent=payment.id,
    )  # fmt: skip
    if outcome is Outcome.APPROVED:
        refund(ledger, payment, amount, at)
    return outcome
