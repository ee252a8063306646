"""The ledger in plain Python: the same rules in dictionaries, what the SQL is held against.

No SQL, no I/O, no clock: the time of a decision is an argument. A balance here is the whole
balance; that the ledger keeps credits apart until they are folded must not show in a decision. A
hold ends here by comparison of time alone; that the ledger posts it some time later must not show
either. What steps do to a payment is in steps.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from switch import limits
from switch.ledger import Disposition, Order
from switch.message import PaymentRequest
from switch.outcome import Outcome
from tests.ledger.funds import Funds, Plan, plan, shares
from tests.ledger.records import Asked, Mandate, Record

OPERATOR = 0  # the participant that holds the issuance accounts
PAYMENT = "payment"  # the operation that spends a key unless it is a step


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Limits in minor units; none where there is no limit."""

    payment_limit: int | None = None
    daily_limit: int | None = None
    yearly_limit: int | None = None
    balance_limit: int | None = None


NO_LIMITS = Tier()


@dataclass(slots=True, kw_only=True)
class Account:
    """What a decision looks at and changes."""

    id: UUID
    participant_no: int
    participant_kind: str
    kind: str
    currency: str
    floor: int = 0
    balance: int = 0
    lifecycle: str = "open"
    frozen_by: str | None = None
    tier: tuple[str, str] | None = None
    tariff: tuple[str, str] | None = None
    # By the day and by the year of the decision; that of expired holds included.
    spent: dict[date, int] = field(default_factory=dict)
    spent_in_year: dict[int, int] = field(default_factory=dict)
    holds: list[Record] = field(default_factory=list)

    def held(self, at: datetime) -> int:
        return sum(hold.held(at) for hold in self.holds)

    def available(self, at: datetime) -> int:
        return self.balance - self.held(at) - self.floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who spent a key on what."""

    digest: bytes
    payment_id: UUID | None  # none where the key was spent on an account
    outcome: Outcome | None
    operation: str = PAYMENT  # or the step, and of which payment
    parent: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the ledger answers to one message."""

    disposition: Disposition
    payment_id: UUID | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message beside the accounts it names, as a rule sees it."""

    order: Order
    payer: Account | None
    payee: Account | None
    payer_tier: Tier
    payee_tier: Tier
    at: datetime
    spent_today: int
    spent_this_year: int
    mandate: Mandate | None = None  # by which it is taken
    taken_today: int = 0  # by that mandate
    taken_this_month: int = 0
    asked: Asked | None = None  # what it pays
    plan: Plan  # who pays what of it
    net: int  # what its payee gets
    is_over: bool  # the payee is a purse or a budget whose time has passed

    @property
    def counts(self) -> bool:
        """Whether the limits of the payer's tier apply: they exempt top-ups."""
        return self.order.request.type in COUNTED


# Which kinds of accounts may pay which.
PRIVATE = frozenset({"wallet", "merchant", "government"})
PAYER_KINDS = {
    "purchase": PRIVATE | {"external"},
    "transfer": PRIVATE | {"position", "external"},
    "top_up": frozenset({"position"}),
    "withdrawal": frozenset({"wallet"}),
}
PAYEE_KINDS = {
    "purchase": frozenset({"merchant", "government"}),
    "transfer": PRIVATE | {"position", "external", "purse", "campaign"},
    "top_up": frozenset({"wallet"}),
    "withdrawal": frozenset({"position", "external"}),
}
COUNTED = frozenset({"purchase", "transfer", "withdrawal"})


def _expired(case: Case) -> bool:
    expires_at = case.order.request.expires_at
    return expires_at is not None and case.at >= expires_at


def _not_permitted(case: Case) -> bool:
    kind = case.order.request.type
    payer, payee = case.payer, case.payee
    sends = payer if case.order.request.mandate is None else payee
    if sends is None or sends.participant_no != case.order.participant_no:
        return True
    if payer is not None and payer.kind not in PAYER_KINDS[kind]:
        return True
    if case.order.request.request is not None and payer is not None and payer.kind == "external":
        return True
    if case.order.request.coupon is not None and payer is not None and payer.kind != "wallet":
        return True
    if kind == "top_up" and payer is not None and payer.participant_kind != "bank":
        return True
    return payee is not None and payee.kind not in PAYEE_KINDS[kind]


def _currency_mismatch(case: Case) -> bool:
    currency = case.order.request.currency
    return any(a is not None and a.currency != currency for a in (case.payer, case.payee))


def _over(limit: int | None, amount: int) -> bool:
    return limit is not None and amount > limit


def _payee_balance_limit_exceeded(case: Case) -> bool:
    if case.payee is None or not case.order.request.capture:  # what is held raises no balance
        return False
    return _over(case.payee_tier.balance_limit, case.payee.balance + case.net)


def _mandate_ended(case: Case) -> bool:
    return case.mandate is not None and not case.mandate.is_valid(case.at)


def _mandate_used(case: Case) -> bool:
    return case.mandate is not None and _over(case.mandate.uses_max, len(case.mandate.taken) + 1)


def _mandate_limit_exceeded(case: Case) -> bool:
    mandate, amount = case.mandate, case.order.request.amount
    return mandate is not None and (
        _over(mandate.payment_limit, amount)
        or _over(mandate.daily_limit, case.taken_today + amount)
        or _over(mandate.monthly_limit, case.taken_this_month + amount)
    )


# In order of precedence: the first that applies is the answer. Each can be asked by itself.
RULES: tuple[tuple[Outcome, Callable[[Case], bool]], ...] = (
    (Outcome.EXPIRED, _expired),
    (Outcome.NOT_PERMITTED, _not_permitted),
    (
        Outcome.MANDATE_NOT_FOUND,
        lambda case: case.order.request.mandate is not None and case.mandate is None,
    ),
    (Outcome.MANDATE_ENDED, _mandate_ended),
    (
        Outcome.REQUEST_NOT_FOUND,
        lambda case: case.order.request.request is not None and case.asked is None,
    ),
    (
        Outcome.REQUEST_ENDED,
        lambda case: case.asked is not None and case.asked.has_ended(case.at),
    ),
    (Outcome.PAYEE_NOT_FOUND, lambda case: case.payee is None),
    (Outcome.SAME_ACCOUNT, lambda case: case.payer is not None and case.payer is case.payee),
    (Outcome.CURRENCY_MISMATCH, _currency_mismatch),
    (Outcome.PAYER_FROZEN, lambda case: case.payer is not None and bool(case.payer.frozen_by)),
    (Outcome.PAYER_CLOSED, lambda case: case.payer is not None and case.payer.lifecycle != "open"),
    (
        Outcome.PAYEE_CLOSED,
        lambda case: case.payee is not None and (case.payee.lifecycle != "open" or case.is_over),
    ),
    (
        Outcome.PAYMENT_LIMIT_EXCEEDED,
        lambda case: (
            case.counts and _over(case.payer_tier.payment_limit, case.order.request.amount)
        ),
    ),
    (Outcome.MANDATE_USED, _mandate_used),
    (Outcome.MANDATE_LIMIT_EXCEEDED, _mandate_limit_exceeded),
    (Outcome.REQUEST_PAID, lambda case: case.asked is not None and case.asked.left(case.at) == 0),
    (
        Outcome.REQUEST_AMOUNT_MISMATCH,
        lambda case: (
            case.asked is not None and not case.asked.fits(case.order.request.amount, case.at)
        ),
    ),
    (
        Outcome.DAILY_LIMIT_EXCEEDED,
        lambda case: (
            case.counts
            and _over(case.payer_tier.daily_limit, case.spent_today + case.order.request.amount)
        ),
    ),
    *(
        (refusal, lambda case, refusal=refusal: case.plan.refusal is refusal)
        for refusal in (
            Outcome.COUPON_NOT_FOUND,
            Outcome.COUPON_ENDED,
            Outcome.COUPON_NOT_APPLICABLE,
            Outcome.COUPON_USED,
        )
    ),
    (
        Outcome.YEARLY_LIMIT_EXCEEDED,
        lambda case: (
            case.counts
            and _over(
                case.payer_tier.yearly_limit, case.spent_this_year + case.order.request.amount
            )
        ),
    ),
    (Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED, _payee_balance_limit_exceeded),
    (
        Outcome.INSUFFICIENT_FUNDS,
        lambda case: case.payer is not None and case.payer.available(case.at) < case.plan.own,
    ),
)


class Ledger:
    """Accounts, tiers, claims and what became of each payment; `decide` is the whole switch."""

    def __init__(self, time_zone: str = "Asia/Shanghai") -> None:
        self.time_zone = ZoneInfo(time_zone)
        self.accounts: dict[UUID, Account] = {}
        self.tiers: dict[tuple[str, str], Tier] = {}
        self.claims: dict[tuple[int, str], Claim] = {}
        self.records: dict[UUID, Record] = {}
        self.mandates: dict[UUID, Mandate] = {}
        self.asked: dict[UUID, Asked] = {}
        self.funds = Funds()

    def decide(self, order: Order, at: datetime) -> Decision:
        """Decide one message at this time and move or hold the money if it is approved."""
        decision = self.answer(order, at)
        if decision.disposition is Disposition.DECIDED:
            self.record(order, decision, at)
        return decision

    def answer(self, order: Order, at: datetime) -> Decision:
        """What would be answered at this time; changes nothing."""
        claimed = self.claims.get((order.participant_no, order.key))
        if claimed is not None:
            return repeat(claimed, order.digest, PAYMENT, None)
        case = self.case(order, at)
        outcome = next((name for name, applies in RULES if applies(case)), Outcome.APPROVED)
        return Decision(
            disposition=Disposition.DECIDED, payment_id=order.payment_id, outcome=outcome
        )

    def case(self, order: Order, at: datetime) -> Case:
        """The message with all that the rules look at."""
        mandate = self.mandate(order)
        payer = self.payer(order)
        payee = self.accounts.get(order.request.payee)
        taken = mandate.taken if mandate else []
        today = self.day(at)
        return Case(
            order=order,
            payer=payer,
            payee=payee,
            payer_tier=self.tier_of(payer),
            payee_tier=self.tier_of(payee),
            at=at,
            spent_today=self.spent(payer, at) if payer else 0,
            spent_this_year=self.spent_this_year(payer, at) if payer else 0,
            mandate=mandate,
            asked=self.request(order),
            plan=plan(self, order, payer, at),
            net=order.request.amount - sum(part for _, part in self.shares(order)),
            is_over=self.funds.has_ended(order.request.payee, at),
            taken_today=sum(amount for when, amount in taken if self.day(when) == today),
            taken_this_month=sum(
                amount
                for when, amount in taken
                if self.day(when).replace(day=1) == today.replace(day=1)
            ),
        )

    def mandate(self, order: Order) -> Mandate | None:
        """The mandate that the message names, if it is one for this payee of the sender's."""
        named = self.mandates.get(order.request.mandate) if order.request.mandate else None
        payee = self.accounts.get(order.request.payee)
        if named is None or payee is None or named.payee not in (None, payee.id):
            return None
        is_theirs = payee.participant_no == order.participant_no
        return named if is_theirs and payee.kind in PRIVATE else None

    def request(self, order: Order) -> Asked | None:
        """The payment request that the message names, if it is one of this payee's."""
        named = self.asked.get(order.request.request) if order.request.request else None
        return named if named is not None and named.payee == order.request.payee else None

    def payer(self, order: Order) -> Account | None:
        """Whose money it is."""
        mandate = self.mandate(order)
        payer = mandate.payer if mandate else order.request.payer
        return self.accounts.get(payer) if payer else None

    def record(self, order: Order, decision: Decision, at: datetime) -> None:
        """Spend the key; move or hold, and count, the money of an approved payment."""
        assert decision.outcome is not None, "what is decided has an outcome"
        self.claims[order.participant_no, order.key] = Claim(
            digest=order.digest, payment_id=decision.payment_id, outcome=decision.outcome
        )
        request = order.request
        record = Record(
            id=order.payment_id, participant_no=order.participant_no, type=request.type,
            payer=self.told_payer(order, decision.outcome),
            payee=request.payee, amount=request.amount,
            outcome=decision.outcome, decided_at=at, hold_expires_at=_hold_expires_at(request, at),
        )  # fmt: skip
        self.records[record.id] = record
        if not record.is_approved:
            return
        assert record.payer is not None, "somebody pays"
        payer, mandate = self.accounts[record.payer], self.mandate(order)
        if mandate is not None:
            mandate.taken.append((at, request.amount))
        asked = self.request(order)
        if asked is not None:
            asked.taken.append((at, request.amount))
        if request.type in COUNTED:
            self.count(payer, request.amount, at)
        if record.hold_expires_at is None:
            record.captured = request.amount
            record.draws = plan(self, order, payer, at).draws
            self.pay(order, record, 1)
        else:
            payer.holds.append(record)

    def erase(self, order: Order, at: datetime) -> None:
        """Undo `record`: for whoever tries one order of messages after another."""
        del self.claims[order.participant_no, order.key]
        record, request = self.records.pop(order.payment_id), order.request
        if not record.is_approved:
            return
        assert record.payer is not None, "somebody pays"
        payer, mandate = self.accounts[record.payer], self.mandate(order)
        if mandate is not None:
            mandate.taken.remove((at, request.amount))
        asked = self.request(order)
        if asked is not None:
            asked.taken.remove((at, request.amount))
        if request.type in COUNTED:
            self.count(payer, -request.amount, at)
        if record.hold_expires_at is None:
            self.pay(order, record, -1)
        else:
            payer.holds.remove(record)

    def pay(self, order: Order, record: Record, sign: int) -> None:
        """Move the money of a payment, or back; a coupon that it names is used, or not."""
        request = order.request
        assert record.payer is not None, "somebody pays"
        self.move(record.payer, request.payee, sign * request.amount)
        for fund, part in record.draws:
            self.move(fund, record.payer, sign * part)
        for account, part in self.shares(order):
            self.move(request.payee, account, sign * part)
        if request.coupon is not None:
            self.funds.coupons[request.coupon].uses += sign

    def shares(self, order: Order) -> list[tuple[UUID, int]]:
        """What others than the payee get of it."""
        return shares(self, order.request.type, order.request.payee, order.request.amount)

    def told_payer(self, order: Order, outcome: Outcome) -> UUID | None:
        """Who is said to pay: of a code, only where it was paid."""
        mandate = self.mandate(order)
        is_code = mandate is not None and mandate.payee is None
        return None if is_code and outcome is not Outcome.APPROVED else self.payer_id(order)

    def payer_id(self, order: Order) -> UUID | None:
        """Who would pay: nobody where no mandate says who."""
        mandate = self.mandate(order)
        return mandate.payer if mandate else order.request.payer

    def move(self, payer: UUID, payee: UUID, amount: int) -> None:
        """From one balance to the other."""
        self.accounts[payer].balance -= amount
        self.accounts[payee].balance += amount

    def count(self, payer: Account, amount: int, at: datetime) -> None:
        """For the limits of the payer's day and year."""
        day = self.day(at)
        payer.spent[day] = payer.spent.get(day, 0) + amount
        payer.spent_in_year[day.year] = payer.spent_in_year.get(day.year, 0) + amount

    def give_back(self, payer: Account, amount: int, decided_at: datetime, at: datetime) -> None:
        """What a hold of then keeps no longer now: only to the same day, and the same year."""
        then, now = self.day(decided_at), self.day(at)
        if then == now:
            payer.spent[now] -= amount
        if then.year == now.year:
            payer.spent_in_year[now.year] -= amount

    def spent(self, account: Account, at: datetime) -> int:
        """What counts for the limit of this day: not what expired on the day it was held."""
        day = self.day(at)
        given_back = sum(
            hold.expired(at)
            for hold in account.holds
            if hold.hold_expires_at is not None
            and hold.type in COUNTED
            and self.day(hold.decided_at) == day == self.day(hold.hold_expires_at)
        )
        return account.spent.get(day, 0) - given_back

    def spent_this_year(self, account: Account, at: datetime) -> int:
        """What counts for the limit of this year: not what expired in the year it was held."""
        year = self.day(at).year
        given_back = sum(
            hold.expired(at)
            for hold in account.holds
            if hold.hold_expires_at is not None
            and hold.type in COUNTED
            and self.day(hold.decided_at).year == year == self.day(hold.hold_expires_at).year
        )
        return account.spent_in_year.get(year, 0) - given_back

    def tier_of(self, account: Account | None) -> Tier:
        if account is None or account.tier is None:
            return NO_LIMITS
        return self.tiers[account.tier]

    def day(self, at: datetime) -> date:
        """The local day that daily limits count on."""
        return at.astimezone(self.time_zone).date()


def repeat(claimed: Claim, digest: bytes, operation: str, parent: UUID | None) -> Decision:
    """What a spent key answers: the stored decision to the same message, and a bar to any."""
    is_same = (claimed.digest, claimed.operation, claimed.parent) == (digest, operation, parent)
    is_barred = claimed.outcome is Outcome.BARRED
    if claimed.payment_id is None or not (is_same or is_barred):
        return Decision(disposition=Disposition.KEY_REUSED)
    return Decision(
        disposition=Disposition.REPEATED,
        payment_id=claimed.payment_id,
        outcome=claimed.outcome,
    )


def _hold_expires_at(request: PaymentRequest, at: datetime) -> datetime | None:
    if request.capture:
        return None
    return at + timedelta(seconds=request.hold_seconds or limits.HOLD_SECONDS_DEFAULT)
