"""What is sent about parking: bodies in and out. No I/O, no clock."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch.clock import rfc3339
from switch.currencies import CURRENCIES
from switch.errors import Problem
from switch.limits import AMOUNT_MAX
from switch.message import Amount, Currency, Id, Time, decode, in_utc, malformed
from switch.services.parking import limits
from switch.services.parking.tariff import Tariff, fee

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
FreeMinutes = Annotated[int, Meta(ge=0, le=limits.MINUTES_MAX)]
UnitMinutes = Annotated[int, Meta(ge=1, le=limits.MINUTES_MAX)]
HoldSeconds = Annotated[int, Meta(ge=limits.HOLD_SECONDS_MIN, le=limits.HOLD_SECONDS_MAX)]
Moment = Annotated[datetime, Meta(tz=True)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SiteRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/parking-sites`.

    `unit_price` for every `unit_minutes` that were begun, nothing up to `free_minutes`, at most
    `day_max` in each 24 hours. `hold_amount` is held at the gate, for `hold_seconds`.
    """

    account: UUID
    currency: Currency
    name: Name
    free_minutes: FreeMinutes = 0
    unit_minutes: UnitMinutes
    unit_price: Amount
    day_max: Amount | None = None
    hold_amount: Amount
    hold_seconds: HoldSeconds = 86_400


class EntryRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/parking-stays`."""

    site: UUID
    mandate: UUID
    entered_at: Moment


class ExitRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/parking-stays/{id}/exit`."""

    left_at: Moment


class Site(Struct, frozen=True, kw_only=True):
    """A car park and its tariff; it never changes."""

    id: Id
    account: Id
    currency: str
    name: str
    free_minutes: int
    unit_minutes: int
    unit_price: int
    day_max: int | None
    hold_amount: int
    hold_seconds: int
    created_at: Time


class Stay(Struct, frozen=True, kw_only=True):
    """A stay: `open`, `declined` at the gate (`reason`, an outcome), or `left`.

    `fee` is by the tariff, `paid` what was taken of it; the difference is owed. In the answer to an
    entry they are null, as they are until the exit.
    """

    id: Id
    site: Id
    mandate: Id
    status: str
    reason: str | None
    entered_at: Time
    left_at: Time | None
    fee: int | None
    paid: int | None
    owed: int | None
    created_at: Time


class StayNow(Struct, frozen=True, kw_only=True):
    """A stay as it is, with the payments of its holds."""

    stay: Stay
    holds: list[Id]


# --- decoding ------------------------------------------------------------------------

_site_decoder = msgspec.json.Decoder(SiteRequest)
_entry_decoder = msgspec.json.Decoder(EntryRequest)
_exit_decoder = msgspec.json.Decoder(ExitRequest)


def decode_site(body: bytes) -> SiteRequest | Problem:
    """The car park in these bytes, or which rule they break."""
    request = decode(_site_decoder, body)
    if isinstance(request, Problem):
        return request
    if request.currency not in CURRENCIES:
        return malformed("This is not a currency of ISO 4217.", "currency")
    if fee(_tariff(request), EPOCH, EPOCH + limits.STAY_MAX) > AMOUNT_MAX:
        return malformed("The longest stay would cost more than can be paid.", "unit_price")
    return request


def decode_entry(body: bytes) -> EntryRequest | Problem:
    """Who came, or which rule these bytes break."""
    request = decode(_entry_decoder, body)
    return request if isinstance(request, Problem) else in_utc(request, "entered_at")


def decode_exit(body: bytes) -> ExitRequest | Problem:
    """When somebody left, or which rule these bytes break."""
    request = decode(_exit_decoder, body)
    return request if isinstance(request, Problem) else in_utc(request, "left_at")


# --- what a row says ---------------------------------------------------------------------


def _tariff(request: SiteRequest) -> Tariff:
    return Tariff(
        free_minutes=request.free_minutes,
        unit_minutes=request.unit_minutes,
        unit_price=request.unit_price,
        day_max=request.day_max,
    )


def tariff_of(row: Mapping[str, Any]) -> Tariff:
    """From the columns of a site."""
    return Tariff(
        free_minutes=row["free_minutes"],
        unit_minutes=row["unit_minutes"],
        unit_price=row["unit_price"],
        day_max=row["day_max"],
    )


def as_site(row: Mapping[str, Any]) -> Site:
    """From a row of parking.site."""
    return Site(
        id=str(row["id"]),
        account=str(row["account"]),
        currency=row["currency"],
        name=row["name"],
        free_minutes=row["free_minutes"],
        unit_minutes=row["unit_minutes"],
        unit_price=row["unit_price"],
        day_max=row["day_max"],
        hold_amount=row["hold_amount"],
        hold_seconds=row["hold_seconds"],
        created_at=rfc3339(row["created_at"]),
    )


def as_entered(row: Mapping[str, Any]) -> Stay:
    """A stay as it began, whatever became of it since."""
    status = "declined" if row["reason"] is not None else "open"
    return _stay(row, status, None, None, None)


def as_it_is(row: Mapping[str, Any]) -> Stay:
    """A stay as it is; one that has ended stays so."""
    return _stay(row, row["status"], row["left_at"], row["fee"], row["paid"])


def _stay(
    row: Mapping[str, Any], status: str, left_at: datetime | None, fee: int | None, paid: int | None
) -> Stay:
    return Stay(
        id=str(row["id"]),
        site=str(row["site"]),
        mandate=str(row["mandate"]),
        status=status,
        reason=row["reason"],
        entered_at=rfc3339(row["entered_at"]),
        left_at=None if left_at is None else rfc3339(left_at),
        fee=fee,
        paid=paid,
        owed=None if fee is None or paid is None else fee - paid,
        created_at=rfc3339(row["created_at"]),
    )
