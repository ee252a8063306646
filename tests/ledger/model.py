"""The ledger in plain Python: the same rules in dictionaries, what the SQL is held against.

No SQL, no I/O, no clock: the time of a decision is an argument. A balance here is the whole
balance; that the ledger keeps credits apart until they are folded must not show in a decision.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from switch.ledger import Disposition, Order
from switch.outcome import Outcome

OPERATOR = 0  # the participant that holds the issuance accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Limits in minor units; none where there is no limit."""

    payment_limit: int | None = None
    daily_limit: int | None = None
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
    spent: dict[date, int] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return self.balance - self.floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who spent a key on what."""

    digest: bytes
    payment_id: UUID | None  # none where the key was spent on an account
    outcome: Outcome | None


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

    @property
    def counts(self) -> bool:
        """Whether the limits of the payer's tier apply: they exempt top-ups."""
        return self.order.request.type in COUNTED


# Which kinds of accounts may pay which.
PRIVATE = frozenset({"wallet", "merchant", "government"})
PAYER_KINDS = {
    "purchase": PRIVATE,
    "transfer": PRIVATE | {"position"},
    "top_up": frozenset({"position"}),
    "withdrawal": frozenset({"wallet"}),
}
PAYEE_KINDS = {
    "purchase": frozenset({"merchant", "government"}),
    "transfer": PRIVATE | {"position", "external"},
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
    if payer is None or payer.participant_no != case.order.participant_no:
        return True
    if payer.kind not in PAYER_KINDS[kind]:
        return True
    if kind == "top_up" and payer.participant_kind != "bank":
        return True
    return payee is not None and payee.kind not in PAYEE_KINDS[kind]


def _currency_mismatch(case: Case) -> bool:
    currency = case.order.request.currency
    return any(a is not None and a.currency != currency for a in (case.payer, case.payee))


def _over(limit: int | None, amount: int) -> bool:
    return limit is not None and amount > limit


def _payee_balance_limit_exceeded(case: Case) -> bool:
    if case.payee is None:
        return False
    return _over(case.payee_tier.balance_limit, case.payee.balance + case.order.request.amount)


# In order of precedence: the first that applies is the answer. Each can be asked by itself.
RULES: tuple[tuple[Outcome, Callable[[Case], bool]], ...] = (
    (Outcome.EXPIRED, _expired),
    (Outcome.NOT_PERMITTED, _not_permitted),
    (Outcome.PAYEE_NOT_FOUND, lambda case: case.payee is None),
    (Outcome.SAME_ACCOUNT, lambda case: case.order.request.payer == case.order.request.payee),
    (Outcome.CURRENCY_MISMATCH, _currency_mismatch),
    (Outcome.PAYER_FROZEN, lambda case: case.payer is not None and bool(case.payer.frozen_by)),
    (Outcome.PAYER_CLOSED, lambda case: case.payer is not None and case.payer.lifecycle != "open"),
    (Outcome.PAYEE_CLOSED, lambda case: case.payee is not None and case.payee.lifecycle != "open"),
    (
        Outcome.PAYMENT_LIMIT_EXCEEDED,
        lambda case: (
            case.counts and _over(case.payer_tier.payment_limit, case.order.request.amount)
        ),
    ),
    (
        Outcome.DAILY_LIMIT_EXCEEDED,
        lambda case: (
            case.counts
            and _over(case.payer_tier.daily_limit, case.spent_today + case.order.request.amount)
        ),
    ),
    (Outcome.PAYEE_BALANCE_LIMIT_EXCEEDED, _payee_balance_limit_exceeded),
    (
        Outcome.INSUFFICIENT_FUNDS,
        lambda case: case.payer is not None and case.payer.available < case.order.request.amount,
    ),
)


class Ledger:
    """Accounts, tiers and claims; `decide` is the whole switch."""

    def __init__(self, time_zone: str = "Asia/Shanghai") -> None:
        self.time_zone = ZoneInfo(time_zone)
        self.accounts: dict[UUID, Account] = {}
        self.tiers: dict[tuple[str, str], Tier] = {}
        self.claims: dict[tuple[int, str], Claim] = {}

    def decide(self, order: Order, at: datetime) -> Decision:
        """Decide one message at this time and move the money if it is approved."""
        decision = self.answer(order, at)
        if decision.disposition is Disposition.DECIDED:
            self.record(order, decision, at)
        return decision

    def answer(self, order: Order, at: datetime) -> Decision:
        """What would be answered at this time; changes nothing."""
        claimed = self.claims.get((order.participant_no, order.key))
        if claimed is not None:
            return _repeat(claimed, order)
        case = self.case(order, at)
        outcome = next((name for name, applies in RULES if applies(case)), Outcome.APPROVED)
        return Decision(
            disposition=Disposition.DECIDED, payment_id=order.payment_id, outcome=outcome
        )

    def case(self, order: Order, at: datetime) -> Case:
        """The message with all that the rules look at."""
        payer = self.accounts.get(order.request.payer)
        payee = self.accounts.get(order.request.payee)
        return Case(
            order=order,
            payer=payer,
            payee=payee,
            payer_tier=self.tier_of(payer),
            payee_tier=self.tier_of(payee),
            at=at,
            spent_today=payer.spent.get(self.day(at), 0) if payer else 0,
        )

    def record(self, order: Order, decision: Decision, at: datetime) -> None:
        """Spend the key; move and count the money of an approved payment."""
        self.claims[order.participant_no, order.key] = Claim(
            digest=order.digest, payment_id=decision.payment_id, outcome=decision.outcome
        )
        if decision.outcome is Outcome.APPROVED:
            self._move(order, order.request.amount, at)

    def erase(self, order: Order, decision: Decision, at: datetime) -> None:
        """Undo `record`: for whoever tries one order of messages after another."""
        del self.claims[order.participant_no, order.key]
        if decision.outcome is Outcome.APPROVED:
            self._move(order, -order.request.amount, at)

    def _move(self, order: Order, amount: int, at: datetime) -> None:
        payer = self.accounts[order.request.payer]
        payer.balance -= amount
        self.accounts[order.request.payee].balance += amount
        if order.request.type in COUNTED:
            day = self.day(at)
            payer.spent[day] = payer.spent.get(day, 0) + amount

    def tier_of(self, account: Account | None) -> Tier:
        if account is None or account.tier is None:
            return NO_LIMITS
        return self.tiers[account.tier]

    def day(self, at: datetime) -> date:
        """The local day that daily limits count on."""
        return at.astimezone(self.time_zone).date()


def _repeat(claimed: Claim, order: Order) -> Decision:
    if claimed.payment_id is None or claimed.digest != order.digest:
        return Decision(disposition=Disposition.KEY_REUSED)
    return Decision(
        disposition=Disposition.REPEATED,
        payment_id=claimed.payment_id,
        outcome=claimed.outcome,
    )
