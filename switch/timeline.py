"""The timeline of one payment: its shape, and how rows of the ledger become its entries. No I/O.

Nothing is written for it. An id says when its message arrived, the decision's row who signed it and
how long it took, statements and feeds the rest; this puts them in order. What a reader may not know
has not been read, so an entry says what its rows say. Who adds a source adds its rows and its
entries here.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from switch.clock import rfc3339
from switch.event_message import EventType
from switch.message import AnyType, Id, PaymentStatus, Reason, Time
from switch.outcome import Outcome

WHATS = (
    "received",
    "accepted",
    "asked",
    "answered",
    "decided",
    "debited",
    "released",
    "credit_waits",
    "credited",
    "expired",
    "told",
    "push_taken",
    "push_waits",
    "push_dead",
)
CALLS = {1: "authorization", 2: "credit", 3: "reversal"}  # by bank_call.kind
What = Annotated[str, Meta(extra_json_schema={"enum": list(WHATS)})]


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a payment or a step of it; it has the members that it is about.

    `received`, `accepted` (for a bank to decide) and `decided` are of a message, `asked` and
    `answered` of a call to a bank, `debited`, `credit_waits` and `credited` of an account,
    `released` and `expired` of what a hold still kept, `told` of the event in a participant's feed,
    `push_taken` of one that the callback URL took, `push_waits` and `push_dead` of one that it has
    not taken. Amounts are in minor units.
    """

    at: Time
    what: What
    id: Id  # the payment or the step
    type: AnyType | None = None
    participant: str | None = None  # who sent the message, whose feed it is, or the bank
    idempotency_key: str | None = None
    key_id: str | None = None  # which key signed; this and the next four only of one's own
    traceparent: str | None = None
    span_id: str | None = None  # the switch's, below the caller's
    queue_us: int | None = None  # from the message to the statement that decided it
    work_us: int | None = None  # from then to the decision; the commit comes after
    status: PaymentStatus | None = None
    reason: Reason | None = None
    hold_expires_at: Time | None = None
    amount: int | None = None
    currency: str | None = None
    account: Id | None = None
    posting: int | None = None
    item: int | None = None
    balance_after: int | None = None
    event: EventType | None = None
    number: int | None = None  # of the event in its feed
    call: Annotated[str, Meta(extra_json_schema={"enum": list(CALLS.values())})] | None = None
    # of the bank, or `timeout`, `unknown`, `unavailable`, or `given_up` by the operator
    decision: str | None = None
    attempts: int | None = None  # of the call or the push; this and the next only of one's own
    result: str | None = None  # of the last attempt, for a person


class Timeline(Struct, frozen=True, kw_only=True):
    """What happened to a payment and its steps, in order, as far as the reader may know it.

    `is_complete` is false when the payment has more messages than a timeline shows.
    """

    payment: Id
    is_complete: bool
    entries: list[TimelineEntry]


_HAS_EXPIRED, _IS_DECLINED = 2, 3  # ledger.outbox.kind; 1 tells of the decision itself
_EVENT_OF_STEP = {
    "capture": "payment.captured",
    "void": "payment.voided",
    "refund": "payment.refunded",
    "reversal": "payment.reversed",
}


def event_type(kind: int, decision_type: str | None, status: str) -> str:
    """The name of an event by its kind in the ledger and the decision that it tells of."""
    if kind == _HAS_EXPIRED:
        return "payment.expired"
    if kind == _IS_DECLINED:
        return "payment.declined"
    return _EVENT_OF_STEP.get(decision_type or "", f"payment.{status}")


def entries(
    trail: Sequence[Mapping[str, Any]],
    *,
    told: Sequence[Mapping[str, Any]],
    asked: Sequence[Mapping[str, Any]] = (),
    pushed: Sequence[Mapping[str, Any]] = (),
) -> list[TimelineEntry]:
    """Rows of `read_trail`, `read_told`, `read_asked` and `read_pushed` as entries, in order.

    Entries of one moment stand in the order of their causes. A worker's clock dates a message, the
    database's its decision; where the two differ, a message still stands before its decision.
    """
    by_id = {row["id"]: row for row in trail}
    found: list[tuple[datetime, TimelineEntry]] = []
    for row in trail:
        found.extend(_of_message(row))
        found.extend(_of_postings(row))
        found.extend(_of_hold(row))
    for row in told:
        found.extend(_of_event(row, by_id[row["subject"]]))
    for row in asked:
        found.extend(_of_call(row))
    found.extend(_pushed(row, by_id[row["subject"]]) for row in pushed if row["subject"] in by_id)
    ranked = sorted(found, key=lambda one: (one[0], _rank(one[1])))
    return [entry for _, entry in ranked]


def _rank(entry: TimelineEntry) -> tuple[int, int]:
    """Where an entry stands among those of one moment, by what causes what.

    One call follows the answer to another, and a reversal follows the decision.
    """
    if entry.call == "reversal":
        return len(WHATS), WHATS.index(entry.what)
    if entry.call is not None:
        return WHATS.index("asked"), 2 * (entry.call == "credit") + (entry.what == "answered")
    return WHATS.index(entry.what), 0


def _of_message(row: Mapping[str, Any]) -> Iterator[tuple[datetime, TimelineEntry]]:
    accepted_at, decided_at = row["created_at"], row["decided_at"]
    arrived_at = _arrived_at(row["id"])
    if arrived_at is not None:
        yield (
            min(arrived_at, accepted_at),
            TimelineEntry(
                at=rfc3339(arrived_at),
                what="received",
                id=str(row["id"]),
                type=row["type"],
                participant=row["participant"],
                idempotency_key=row["key"],
                key_id=row["key_id"],
                traceparent=row["traceparent"],
                span_id=row["span_id"],
            ),
        )
    if row["is_late"]:
        yield accepted_at, _of_verdict(row, "accepted", accepted_at)
    if decided_at is None:
        return
    entry = _of_verdict(row, "decided", decided_at)
    outcome = Outcome(row["outcome"])
    hold_expires_at = row["hold_expires_at"] if outcome is Outcome.APPROVED else None
    yield (
        decided_at,
        replace(
            entry,
            status=_status(row),
            reason=None if outcome is Outcome.APPROVED else outcome.wire,
            hold_expires_at=None if hold_expires_at is None else rfc3339(hold_expires_at),
        ),
    )


def _of_hold(row: Mapping[str, Any]) -> Iterator[tuple[datetime, TimelineEntry]]:
    """What is held no longer, with a step or by itself."""
    for what, at in (("released", row["decided_at"]), ("expired", row["hold_expires_at"])):
        if row[what]:
            yield (
                at,
                TimelineEntry(
                    at=rfc3339(at),
                    what=what,
                    id=str(row["id"]),
                    amount=row[what],
                    currency=row["currency"],
                ),
            )


def _of_verdict(row: Mapping[str, Any], what: str, at: datetime) -> TimelineEntry:
    """What the ledger made of a message; the work was that of accepting it where it was late."""
    is_first = what == "accepted" or not row["is_late"]
    return TimelineEntry(
        at=rfc3339(at),
        what=what,
        id=str(row["id"]),
        type=row["type"],
        queue_us=row["queue_us"] if is_first else None,
        work_us=row["work_us"] if is_first else None,
        amount=row["amount"],
        currency=row["currency"],
    )


def _of_call(row: Mapping[str, Any]) -> Iterator[tuple[datetime, TimelineEntry]]:
    """That a bank was asked and what it came to, or the attempts so far."""
    asked = TimelineEntry(
        at=rfc3339(row["asked_at"]),
        what="asked",
        id=str(row["subject"]),
        participant=row["participant"],
        account=None if row["account"] is None else str(row["account"]),
        call=CALLS[row["kind"]],
    )
    answered_at = row["answered_at"]
    if answered_at is None:
        yield row["asked_at"], replace(asked, attempts=row["attempts"], result=row["result"])
        return
    yield row["asked_at"], asked
    yield (
        answered_at,
        replace(
            asked,
            at=rfc3339(answered_at),
            what="answered",
            decision=row["decision"],
            attempts=row["attempts"],
            result=row["result"],
        ),
    )


def _of_postings(row: Mapping[str, Any]) -> Iterator[tuple[datetime, TimelineEntry]]:
    decided_at = row["decided_at"]
    if row["payer_posting_no"] is not None:
        entry = _posting(row, "debited", "payer", decided_at)
        yield decided_at, entry
    if row["payee_posting_no"] is not None:
        entry = _posting(row, "credited", "payee", row["folded_at"])
        yield row["folded_at"], entry
    elif row["is_credited"]:
        entry = TimelineEntry(
            at=rfc3339(decided_at),
            what="credit_waits",
            id=str(row["id"]),
            account=str(row["payee"]),
            amount=row["amount"],
            currency=row["currency"],
        )
        yield decided_at, entry


def _posting(row: Mapping[str, Any], what: str, side: str, at: datetime) -> TimelineEntry:
    return TimelineEntry(
        at=rfc3339(at),
        what=what,
        id=str(row["id"]),
        account=str(row[side]),
        amount=row["amount"],
        currency=row["currency"],
        posting=row[f"{side}_posting_no"],
        item=row["payee_item"] if side == "payee" else 1,
        balance_after=row[f"{side}_balance_after"],
    )


def _of_event(
    row: Mapping[str, Any], decision: Mapping[str, Any]
) -> Iterator[tuple[datetime, TimelineEntry]]:
    """That a feed tells of it, and that it was pushed."""
    told = TimelineEntry(
        at=rfc3339(row["sequenced_at"]),
        what="told",
        id=str(row["subject"]),
        participant=row["participant"],
        event=event_type(row["kind"], decision["type"], _status(decision)),
        number=row["no"],
    )
    yield row["sequenced_at"], told
    taken_at = row["taken_at"]
    if taken_at is not None:
        taken = replace(told, at=rfc3339(taken_at), what="push_taken", attempts=row["attempts"])
        yield taken_at, taken


def _pushed(row: Mapping[str, Any], decision: Mapping[str, Any]) -> tuple[datetime, TimelineEntry]:
    at = row["dead_at"] or row["waits_since"]
    entry = TimelineEntry(
        at=rfc3339(at),
        what="push_waits" if row["dead_at"] is None else "push_dead",
        id=str(row["subject"]),
        participant=row["participant"],
        event=event_type(row["kind"], decision["type"], _status(decision)),
        number=row["no"],
        attempts=row["attempts"],
        result=row["result"],
    )
    return at, entry


def _status(row: Mapping[str, Any]) -> str:
    if row["outcome"] != Outcome.APPROVED:
        return "declined"
    return "completed" if row["hold_expires_at"] is None else "held"


def _arrived_at(payment_id: UUID) -> datetime | None:
    """When the id was made, in milliseconds; an id that the operator chose may not say."""
    if payment_id.version != 7:
        return None
    milliseconds = payment_id.int >> 80
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
