"""What participants are told: the events of their feeds and pushes. No I/O."""

from typing import Annotated

from msgspec import Struct

from switch.message import Payment, Step, Time, one_of

EVENT_TYPES = (
    "payment.completed",
    "payment.held",
    "payment.captured",
    "payment.voided",
    "payment.refunded",
    "payment.reversed",
    "payment.expired",
    "payment.declined",
    "key.added",
    "key.introduced",
    "key.confirmed",
    "key.revoked",
)
EventType = Annotated[str, one_of(*EVENT_TYPES)]


class KeyChange(Struct, frozen=True, kw_only=True):
    """A signing key that was added, introduced, confirmed or revoked.

    `by` is the key that signed for it, null when the operator did it.
    """

    id: str
    by: str | None
    not_before: Time
    not_after: Time


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened to a payment or to a key; once numbered it never changes.

    `payment` is the decision as it was answered, `step` the step that was taken, `key` the signing
    key that was changed; the others are null.
    """

    id: str
    number: int
    type: EventType
    occurred_at: Time
    payment: Payment | None
    step: Step | None
    key: KeyChange | None


class EventPage(Struct, frozen=True, kw_only=True):
    """A piece of a participant's feed. `next_after` is what to send as `after`, now or later."""

    data: list[Event]
    has_more: bool
    next_after: str
