"""What may be said about payment requests: what a payee asks to be paid. No I/O, no clock.

A payment request is open until it is paid in full, cancelled, or its time is over; whatever is paid
is decided with the ledger's row locked. Services ask and cancel in words of their own. What either
was answered is told from the row alone, so that every repeat gets the same bytes: nothing is paid
after a cancellation, and nothing is cancelled that is paid in full.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from switch.clock import rfc3339
from switch.message import Id, Time

RequestStatus = Annotated[
    str, Meta(extra_json_schema={"enum": ["open", "paid", "expired", "cancelled"]})
]


class PayableRequest(Struct, frozen=True, kw_only=True):
    """A payment request as whoever pays it sees it, at this moment.

    `amount_left` is what can still be paid, in minor units of the currency; `amount_min` the
    smallest part that is taken, unless it is all that is left. A request that takes no parts has
    the amount for both. From `late_at` on the `late_fee` is asked as well, unless all was paid
    before; both are null where there is none.
    """

    id: Id
    participant: str
    payee: Id
    payee_name: str | None
    currency: str
    amount_left: int
    amount_min: int
    late_fee: int | None
    late_at: Time | None
    not_after: Time
    status: RequestStatus


class RequestToPay(Struct, frozen=True, kw_only=True):
    """A payment request as the payee's participant, which asked, is answered.

    `paid` counts approved payments in minor units; what is refunded later does not lower it.
    """

    id: Id
    participant: str
    payee: Id
    payee_name: str | None
    currency: str
    amount: int
    amount_min: int
    late_fee: int | None
    late_at: Time | None
    paid: int
    reference: str | None
    description: str | None
    not_after: Time
    status: RequestStatus
    cancelled_at: Time | None
    created_at: Time


def cancellation_digest(request: UUID) -> bytes:
    """SHA-256 of the message that cancels a payment request: it says nothing but which.

    No body and an empty object are one message here, so this tells whether a key was spent on the
    cancellation of a request or on asking, whichever service did it.
    """
    return hashlib.sha256(f"cancel payment request {request}\n".encode()).digest()


def rfc3339_or_none(at: datetime | None) -> str | None:
    """A moment as it is written, where there is one."""
    return None if at is None else rfc3339(at)


# --- what a row says; `row` has the columns of ledger.payment_request --------------------


def asked_at(row: Mapping[str, Any], now: datetime) -> int:
    """How much is asked in all, as `ledger.asked_at`: with the late fee once it is owed."""
    amount: int = row["amount"]
    late_at, late_fee = row["late_at"], row["late_fee"]
    is_owed = row["is_late"] or (late_at is not None and late_at <= now and row["paid"] < amount)
    return amount + late_fee if is_owed else amount


def status_at(row: Mapping[str, Any], now: datetime) -> str:
    """What has become of a payment request by this moment."""
    if row["paid"] == asked_at(row, now):
        return "paid"
    if row["cancelled_at"] is not None:
        return "cancelled"
    return "open" if now < row["not_after"] else "expired"


def as_payable(participant: str, row: Mapping[str, Any], now: datetime) -> PayableRequest:
    """A payment request at this moment, for whoever is to pay it; nothing else of it."""
    left = asked_at(row, now) - row["paid"]
    return PayableRequest(
        id=str(row["id"]),
        participant=participant,
        payee=str(row["payee"]),
        payee_name=row["payee_name"],
        currency=row["currency"],
        amount_left=left,
        amount_min=min(row["amount_min"], left) if row["amount_min"] < row["amount"] else left,
        late_fee=row["late_fee"],
        late_at=rfc3339_or_none(row["late_at"]),
        not_after=rfc3339(row["not_after"]),
        status=status_at(row, now),
    )


def state_as_asked(row: Mapping[str, Any]) -> dict[str, Any]:
    """What changes of a payment request, as it was when it was asked for."""
    return {"paid": 0, "status": "open", "cancelled_at": None}


def state_as_cancelled(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same once it was cancelled; `paid` where nothing was left to cancel."""
    return state_at(row, row["created_at"])


def state_at(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The same at this moment."""
    return {
        "paid": row["paid"],
        "status": status_at(row, now),
        "cancelled_at": rfc3339_or_none(row["cancelled_at"]),
    }


def state_as_decided(row: Mapping[str, Any], digest: bytes) -> dict[str, Any]:
    """The same as the message with this digest was answered."""
    is_cancellation = digest == cancellation_digest(row["id"])
    return (state_as_cancelled if is_cancellation else state_as_asked)(row)


def members(participant: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What never changes of a payment request: the rest of `RequestToPay`."""
    return {
        "id": str(row["id"]),
        "participant": participant,
        "payee": str(row["payee"]),
        "payee_name": row["payee_name"],
        "currency": row["currency"],
        "amount": row["amount"],
        "amount_min": row["amount_min"],
        "late_fee": row["late_fee"],
        "late_at": rfc3339_or_none(row["late_at"]),
        "reference": row["reference"],
        "description": row["description"],
        "not_after": rfc3339(row["not_after"]),
        "created_at": rfc3339(row["created_at"]),
    }


def as_decided(participant: str, row: Mapping[str, Any], digest: bytes) -> RequestToPay:
    """What the message with this digest came to."""
    return RequestToPay(**members(participant, row), **state_as_decided(row, digest))
