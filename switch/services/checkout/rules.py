"""What may be said about check-outs, in and out. No I/O, no clock: the moment is an argument."""

import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch.clock import rfc3339
from switch.currencies import CURRENCIES
from switch.errors import Problem
from switch.message import (
    Amount,
    Currency,
    Description,
    Id,
    Reference,
    Time,
    decode,
    in_utc,
    malformed,
)
from switch.request_to_pay import (
    RequestStatus,
    members,
    state_as_asked,
    state_as_cancelled,
    state_at,
    status_at,
)
from switch.services.checkout import limits

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
Url = Annotated[str, Meta(min_length=1, max_length=limits.URL_CHARS_MAX)]
ValidSeconds = Annotated[int, Meta(ge=limits.VALID_S_MIN, le=limits.VALID_S_MAX)]
VALIDITY_MAX = timedelta(seconds=limits.VALID_S_MAX)

# What a URL is made of (RFC 3986), so that it stands in a page and in a log as it is.
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


class CheckoutRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/checkouts`.

    `amount_min` is the smallest part that is taken; without it the amount is paid in one piece. It
    ends at `expires_at`, or so many seconds after it was opened: `valid_s`, 900 unless told.
    """

    payee: UUID
    payee_name: Name | None = None
    amount: Amount
    amount_min: Amount | None = None
    currency: Currency
    reference: Reference
    description: Description | None = None
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    valid_s: ValidSeconds | None = None
    return_url: Url | None = None


class Checkout(Struct, frozen=True, kw_only=True):
    """A check-out, by the participant that opened it; `url` is the page for who is to pay.

    `paid` counts approved payments in minor units; what is refunded later does not lower it. A
    payment names the `id` as its `request`.
    """

    id: Id
    participant: str
    payee: Id
    payee_name: str | None
    amount: int
    amount_min: int
    currency: str
    reference: str | None
    description: str | None
    status: RequestStatus
    paid: int
    url: str
    return_url: str | None
    expires_at: Time
    cancelled_at: Time | None
    created_at: Time


class PageStatus(Struct, frozen=True, kw_only=True):
    """What the page of a check-out asks for while it is open, unsigned.

    `text` is the status for people; `return_url` is told once it is paid.
    """

    status: RequestStatus
    text: str
    return_url: str | None


# --- decoding ------------------------------------------------------------------------

_decoder = msgspec.json.Decoder(CheckoutRequest)


def decode_checkout(body: bytes) -> CheckoutRequest | Problem:
    """The check-out to open in these bytes, or which rule they break."""
    request = decode(_decoder, body)
    if isinstance(request, Problem):
        return request
    if request.currency not in CURRENCIES:
        return malformed("It is not a currency of ISO 4217.", "currency")
    if request.amount_min is not None and request.amount_min > request.amount:
        return malformed("The smallest part is at most the `amount`.", "amount_min")
    if request.return_url is not None and not is_good_url(request.return_url):
        return malformed("Expected an https URL, or http on loopback, of RFC 3986.", "return_url")
    return _with_time(request)


def _with_time(request: CheckoutRequest) -> CheckoutRequest | Problem:
    expires_at = request.expires_at
    if expires_at is None:
        return request
    if request.valid_s is not None:
        return malformed("Give `expires_at` or `valid_s`, not both.", "valid_s")
    return in_utc(request, "expires_at")


def is_good_url(url: str) -> bool:
    """Whether a page may send people there: https, or http on loopback, and nothing odd in it."""
    if not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is read for its check alone
    except ValueError:
        return False
    if not host or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def end_of(request: CheckoutRequest, now: datetime) -> datetime:
    """When a check-out that is opened now ends."""
    valid_s = request.valid_s or limits.VALID_S_DEFAULT
    return request.expires_at or now + timedelta(seconds=valid_s)


def untimely(request: CheckoutRequest, now: datetime) -> Problem | None:
    """Why a check-out is not opened any more, or not for so long, at this moment.

    Time only passes, so a repeat may be untimely that was not when it was first sent.
    """
    ends_at = end_of(request, now)
    if ends_at <= now:
        return OVER
    if ends_at - now <= VALIDITY_MAX:
        return None
    return malformed(f"A check-out is open for {VALIDITY_MAX.days} days at most.", "expires_at")


OVER = malformed("Expected a time that is still to come.", "expires_at")
PAYEE_NOT_YOURS = malformed("No account of yours in this currency that can be paid.", "payee")


# --- what a row says; `row` has the columns of ledger.payment_request and of checkout ------


def as_opened(participant: str, row: Mapping[str, Any]) -> Checkout:
    """A check-out as it was opened, whatever became of it since."""
    return _checkout(participant, row, state_as_asked(row))


def as_cancelled(participant: str, row: Mapping[str, Any]) -> Checkout:
    """A check-out as it was cancelled: nothing is paid any more."""
    return _checkout(participant, row, state_as_cancelled(row))


def as_it_is(participant: str, row: Mapping[str, Any], now: datetime) -> Checkout:
    """A check-out at this moment."""
    return _checkout(participant, row, state_at(row, now))


def _checkout(participant: str, row: Mapping[str, Any], state: Mapping[str, Any]) -> Checkout:
    found = members(participant, row)
    del found["late_fee"], found["late_at"]  # it ends instead
    ends_at = found.pop("not_after")
    urls = {"url": row["page_url"], "return_url": row["return_url"]}
    return Checkout(**found, **state, **urls, expires_at=ends_at)


def page_status(row: Mapping[str, Any], now: datetime) -> PageStatus:
    """What the page shows at this moment."""
    status = status_at(row, now)
    left = amount_text(row["amount"] - row["paid"], row["currency"])
    return PageStatus(
        status=status,
        text=_TEXTS[status].format(left=left),
        return_url=row["return_url"] if status == "paid" else None,
    )


_TEXTS = {
    "open": "Scan the code with your wallet: {left} to pay.",
    "paid": "Paid. Thank you.",
    "expired": "It is too late to pay this. Ask the shop for a new code.",
    "cancelled": "The shop has cancelled this. There is nothing to pay.",
}


def amount_text(amount: int, currency: str) -> str:
    """An amount for people: 1250 of CNY is `12.50 CNY`, thousands apart."""
    digits = CURRENCIES[currency]
    whole, part = divmod(amount, 10**digits)
    behind = f".{part:0{digits}}" if digits else ""
    return f"{whole:,}{behind} {currency}"


def moment_text(at: datetime) -> str:
    """A moment for people, in UTC, to the second."""
    return rfc3339(at)[:19].replace("T", " ") + " UTC"
