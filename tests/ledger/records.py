"""What the model remembers of each payment, of mandates, and of what is asked to be paid."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from switch.outcome import Outcome


@dataclass(slots=True, kw_only=True)
class Record:
    """A decision and what became of it since; a step has a parent."""

    id: UUID
    participant_no: int
    type: str
    payer: UUID | None  # none where nothing may be said of it
    payee: UUID | None
    amount: int | None
    outcome: Outcome
    decided_at: datetime
    hold_expires_at: datetime | None = None
    parent: UUID | None = None
    captured: int = 0
    voided: int = 0
    refunded: int = 0
    draws: tuple[tuple[UUID, int], ...] = ()  # what others paid of it

    @property
    def is_approved(self) -> bool:
        return self.outcome is Outcome.APPROVED

    @property
    def uncaptured(self) -> int:
        """Of a hold: what was neither captured nor voided, whatever the time."""
        if not self.is_approved or self.hold_expires_at is None or self.amount is None:
            return 0
        return self.amount - self.captured - self.voided

    def held(self, at: datetime) -> int:
        """What the payer cannot spend at this time."""
        is_open = self.hold_expires_at is not None and at < self.hold_expires_at
        return self.uncaptured if is_open else 0

    def expired(self, at: datetime) -> int:
        """What time has given back to the payer."""
        return self.uncaptured - self.held(at)

    def status(self, at: datetime) -> str:
        """What a look-up shows at this time."""
        if not self.is_approved:
            return "declined"
        if self.refunded:
            is_all = self.refunded == self.captured and not self.held(at)
            return "refunded" if is_all else "partially_refunded"
        if self.hold_expires_at is None:
            return "completed"
        if self.held(at):
            return "partially_captured" if self.captured else "held"
        if self.captured:
            return "captured"
        return "voided" if self.voided else "expired"


@dataclass(slots=True, kw_only=True)
class Mandate:
    """What a payee may take from an account without asking, and what it has taken."""

    id: UUID
    payer: UUID
    payee: UUID | None  # None: a payment code, for whoever presents it
    payment_limit: int | None = None
    daily_limit: int | None = None
    monthly_limit: int | None = None
    uses_max: int | None = None
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None = None
    taken: list[tuple[datetime, int]] = field(default_factory=list)

    def is_valid(self, at: datetime) -> bool:
        is_revoked = self.revoked_at is not None and self.revoked_at <= at
        return not is_revoked and self.not_before <= at < self.not_after


@dataclass(slots=True, kw_only=True)
class Asked:
    """What a payee asks to be paid, and what was paid of it."""

    id: UUID
    payee: UUID
    amount: int
    amount_min: int
    not_after: datetime
    late_fee: int = 0
    late_at: datetime | None = None
    cancelled_at: datetime | None = None
    taken: list[tuple[datetime, int]] = field(default_factory=list)

    @property
    def paid(self) -> int:
        return sum(amount for _, amount in self.taken)

    def left(self, at: datetime) -> int:
        """With the late fee, unless all was paid before its time."""
        if self.late_at is None or at < self.late_at:
            return self.amount - self.paid
        in_time = sum(amount for taken_at, amount in self.taken if taken_at < self.late_at)
        fee = 0 if in_time >= self.amount else self.late_fee
        return self.amount + fee - self.paid

    def has_ended(self, at: datetime) -> bool:
        is_cancelled = self.cancelled_at is not None and self.cancelled_at <= at
        return is_cancelled or at >= self.not_after

    def fits(self, amount: int, at: datetime) -> bool:
        left = self.left(at)
        is_part = self.amount_min <= amount < left and self.amount_min < self.amount
        return amount == left or is_part
