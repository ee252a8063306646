"""What may be said about mandates: the bodies of `/v1/mandates`, in and out. No I/O, no clock.

A mandate permits a payee to take from an account without asking, within bounds that its holder
set. What was answered when it was given, and when it was revoked, is told from its row alone, so
that every repeat gets the same bytes; a look-up shows it as it is now.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch import limits
from switch.clock import rfc3339
from switch.errors import Problem
from switch.message import Amount, Id, Time, decode, in_utc, malformed

Purpose = Annotated[str, Meta(min_length=1, max_length=limits.MANDATE_PURPOSE_CHARS_MAX)]
Uses = Annotated[int, Meta(ge=1, le=limits.MANDATE_USES_MAX)]
MandateStatus = Annotated[
    str, Meta(extra_json_schema={"enum": ["active", "not_yet_valid", "ended", "revoked"]})
]
VALIDITY_MAX = timedelta(days=limits.MANDATE_VALIDITY_D_MAX)


class MandateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/mandates`. At least one of the three limits is there.

    Limits are minor units of the payer's currency: of one payment, of those of a local day, of
    those of a local month. `not_before` is the moment of the decision unless it is given.
    """

    payer: UUID
    payee: UUID
    purpose: Purpose | None = None
    payment_limit: Amount | None = None
    daily_limit: Amount | None = None
    monthly_limit: Amount | None = None
    uses_max: Uses | None = None
    not_before: Annotated[datetime, Meta(tz=True)] | None = None
    not_after: Annotated[datetime, Meta(tz=True)]


class Mandate(Struct, frozen=True, kw_only=True):
    """A mandate, given by the participant of the payer; valid from `not_before` to `not_after`.

    `uses` and what is spent count payments that were approved by it, in full. What is spent is
    null in the answer to a revocation: it is what a look-up tells of the day of the look-up.
    `ended`: its time is over, or all uses are made. A payment code's has no payee.
    """

    id: Id
    participant: str
    payer: Id
    payee: Id | None
    currency: str
    purpose: str | None
    payment_limit: int | None
    daily_limit: int | None
    monthly_limit: int | None
    uses_max: int | None
    not_before: Time
    not_after: Time
    status: MandateStatus
    uses: int
    spent_today: int | None
    spent_this_month: int | None
    revoked_at: Time | None
    created_at: Time


# --- decoding ------------------------------------------------------------------------

_decoder = msgspec.json.Decoder(MandateRequest)


def decode_mandate(body: bytes) -> MandateRequest | Problem:
    """The mandate to give in these bytes, or which rule they break."""
    request = decode(_decoder, body)
    if isinstance(request, Problem):
        return request
    return _unbounded(request) or in_utc(request, "not_before", "not_after")


def _unbounded(request: MandateRequest) -> Problem | None:
    """Which bound a mandate lacks, whenever it is given."""
    if (request.payment_limit, request.daily_limit, request.monthly_limit) == (None, None, None):
        return malformed(
            "Give at least one of `payment_limit`, `daily_limit` and `monthly_limit`.",
            "payment_limit",
        )
    if request.not_before is None:
        return None
    if request.not_after <= request.not_before:
        return malformed("It must be later than `not_before`.", "not_after")
    return _too_long(request.not_before, request.not_after)


def untimely(request: MandateRequest, now: datetime) -> Problem | None:
    """Why a mandate is not given any more, or not for so long, at this moment.

    Time only passes, so a repeat may be untimely that was not when it was first sent.
    """
    if request.not_after <= now:
        return OVER
    return _too_long(request.not_before or now, request.not_after)


def _too_long(not_before: datetime, not_after: datetime) -> Problem | None:
    if not_after - not_before <= VALIDITY_MAX:
        return None
    return malformed(
        f"A mandate is valid for {limits.MANDATE_VALIDITY_D_MAX} days at most.", "not_after"
    )


OVER = malformed("Expected a time that is still to come.", "not_after")


def revocation_digest(mandate: UUID) -> bytes:
    """SHA-256 of the message that revokes a mandate: it says nothing but which.

    No body and an empty object are one message here, so this tells whether a key was spent on the
    revocation of a mandate or on giving it.
    """
    return hashlib.sha256(f"POST /v1/mandates/{mandate}/revoke\n".encode()).digest()


# --- what a row says; `row` has the columns of ledger.mandate ----------------------------


def as_given(participant: str, row: Mapping[str, Any]) -> Mandate:
    """A mandate as it was given, whatever became of it since."""
    return _mandate(
        participant,
        row,
        status=_status_in_time(row, row["created_at"]),
        uses=0,
        spent_today=0,
        spent_this_month=0,
        revoked_at=None,
    )


def as_revoked(participant: str, row: Mapping[str, Any]) -> Mandate:
    """A mandate as it was revoked: nothing is taken by it any more, so its uses stay."""
    return _mandate(
        participant,
        row,
        status="revoked",
        uses=row["uses"],
        spent_today=None,
        spent_this_month=None,
        revoked_at=rfc3339(row["revoked_at"]),
    )


def as_decided(participant: str, row: Mapping[str, Any], digest: bytes) -> Mandate:
    """What the message with this digest was answered about the mandate."""
    is_revocation = digest == revocation_digest(row["id"])
    return (as_revoked if is_revocation else as_given)(participant, row)


def as_it_is(participant: str, row: Mapping[str, Any], now: datetime) -> Mandate:
    """A mandate at this moment, from its row of today."""
    revoked_at = row["revoked_at"]
    return _mandate(
        participant,
        row,
        status="revoked" if revoked_at is not None else _status_unrevoked(row, now),
        uses=row["uses"],
        spent_today=row["spent_today"],
        spent_this_month=row["spent_this_month"],
        revoked_at=None if revoked_at is None else rfc3339(revoked_at),
    )


def _status_unrevoked(row: Mapping[str, Any], now: datetime) -> str:
    return "ended" if row["uses"] == row["uses_max"] else _status_in_time(row, now)


def _status_in_time(row: Mapping[str, Any], now: datetime) -> str:
    if now < row["not_before"]:
        return "not_yet_valid"
    return "active" if now < row["not_after"] else "ended"


def _mandate(participant: str, row: Mapping[str, Any], **state: Any) -> Mandate:
    return Mandate(
        id=str(row["id"]),
        participant=participant,
        payer=str(row["payer"]),
        payee=None if row["payee"] is None else str(row["payee"]),
        currency=row["currency"],
        purpose=row["purpose"],
        payment_limit=row["payment_limit"],
        daily_limit=row["daily_limit"],
        monthly_limit=row["monthly_limit"],
        uses_max=row["uses_max"],
        not_before=rfc3339(row["not_before"]),
        not_after=rfc3339(row["not_after"]),
        created_at=rfc3339(row["created_at"]),
        **state,
    )
