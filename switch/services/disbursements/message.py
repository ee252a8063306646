"""What is sent about disbursements: bodies in and out. No I/O, no clock."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch.clock import rfc3339
from switch.currencies import CURRENCIES
from switch.errors import Problem
from switch.limits import AMOUNT_MAX
from switch.line_file import read_lines
from switch.message import Amount, Currency, Id, Reference, Time, decode, malformed
from switch.services.disbursements import limits

Count = Annotated[int, Meta(ge=1, le=limits.PAYOUTS_MAX)]
Total = Annotated[int, Meta(ge=1, le=AMOUNT_MAX * 1_000)]
Purpose = Annotated[str, Meta(min_length=1, max_length=limits.PURPOSE_CHARS_MAX)]
Line = Annotated[int, Meta(ge=1, le=limits.PAYOUTS_MAX)]
Phone = Annotated[str, Meta(min_length=1, max_length=limits.PHONE_CHARS_MAX)]


class DisbursementRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/disbursements`: who pays how many payouts, and how much in all."""

    payer: UUID
    currency: Currency
    count: Count
    total: Total
    purpose: Purpose


class Payout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of a part: whom it pays, by account or phone number, and how much.

    `line` is unique in its disbursement; so are account and reference.
    """

    line: Line
    account: UUID | None = None
    phone: Phone | None = None
    amount: Amount
    reference: Reference

    def __repr__(self) -> str:
        """Without the number, wherever it is shown."""
        return f"Payout(line={self.line}, account={self.account!r})"


class Act(Struct, frozen=True, kw_only=True):
    """What a message did to a disbursement; `status` is that of then."""

    disbursement: Id
    act: str
    part: int | None
    lines: int | None
    status: str
    idempotency_key: str
    at: Time


class Disbursement(Struct, frozen=True, kw_only=True):
    """A disbursement as it stands. Totals in minor units, rates of the present stretch."""

    id: Id
    participant: str
    payer: Id
    currency: str
    purpose: str
    count: int
    total: int
    status: str
    reason: str | None
    given: int
    given_total: int
    paid: int
    paid_total: int
    declined: int
    left: int
    percent: float
    payouts_per_second: float | None
    seconds_left: int | None
    created_at: Time


class Result(Struct, frozen=True, kw_only=True):
    """What became of a line. `reason` is null where it was paid."""

    position: str
    line: int
    account: Id
    amount: int
    reference: str
    payment: Id | None
    reason: str | None


# --- decoding ------------------------------------------------------------------------

_request_decoder = msgspec.json.Decoder(DisbursementRequest)
_payout_decoder = msgspec.json.Decoder(Payout)


def decode_request(body: bytes) -> DisbursementRequest | Problem:
    """The draft in these bytes, or which rule they break."""
    request = decode(_request_decoder, body)
    if isinstance(request, DisbursementRequest) and request.currency not in CURRENCIES:
        return malformed("This is not a currency of ISO 4217.", "currency")
    return request


def decode_part(form: str, body: bytes) -> list[Payout] | Problem:
    """The payouts of a part, or the first line that breaks a rule."""
    return read_lines(
        form, body, _payout_decoder, lines_max=limits.PART_LINES_MAX, refuse=_names_nobody
    )


def _names_nobody(payout: Payout) -> Problem | None:
    if (payout.account is None) == (payout.phone is None):
        return malformed("Name either an `account` or a `phone`.", "account")
    return None


def content_digest(payouts: list[Payout], accounts: Sequence[UUID | None]) -> bytes:
    """SHA-256 of whom a part pays how much, in whichever form it came."""
    texts = (
        f"{one.line} {account} {one.amount} {one.reference}\n"
        for one, account in zip(payouts, accounts, strict=True)
    )
    return hashlib.sha256("".join(texts).encode()).digest()


# --- what a row says ---------------------------------------------------------------------


def as_act(row: Mapping[str, Any]) -> Act:
    """From a row of disbursements.act."""
    return Act(
        disbursement=str(row["disbursement"]),
        act=row["act"],
        part=row["part"],
        lines=row["lines"],
        status=row["status"],
        idempotency_key=row["key"],
        at=rfc3339(row["at"]),
    )


def as_it_stands(row: Mapping[str, Any]) -> Disbursement:
    """From a row of disbursements.disbursement."""
    done, rate = row["paid"] + row["declined"], _rate(row)
    left = row["count"] - done
    return Disbursement(
        id=str(row["id"]),
        participant=row["participant"],
        payer=str(row["payer"]),
        currency=row["currency"],
        purpose=row["purpose"],
        count=row["count"],
        total=row["total"],
        status=row["status"],
        reason=row["reason"],
        given=row["given"],
        given_total=row["given_total"],
        paid=row["paid"],
        paid_total=row["paid_total"],
        declined=row["declined"],
        left=left,
        percent=round(100 * done / row["count"], 1),
        payouts_per_second=rate,
        seconds_left=round(left / rate) if rate and row["status"] == "paying" else None,
        created_at=rfc3339(row["created_at"]),
    )


def _rate(row: Mapping[str, Any]) -> float | None:
    if row["resumed_at"] is None or row["last_paid_at"] is None:
        return None
    spent_s = (row["last_paid_at"] - row["resumed_at"]).total_seconds()
    done = row["paid"] + row["declined"] - row["done_before"]
    return round(done / spent_s, 1) if spent_s > 0 and done > 0 else None


def as_result(row: Mapping[str, Any]) -> Result:
    """From a row of disbursements.read_results."""
    return Result(
        position=f"{row['run']}.{row['item']}",
        line=row["line"],
        account=str(row["account"]),
        amount=row["amount"],
        reference=row["reference"],
        payment=str(row["payment"]) if row["payment"] else None,
        reason=None if row["outcome"] == "approved" else row["outcome"],
    )
