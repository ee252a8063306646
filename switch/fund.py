"""What may be said about money beside a payer's own: purposes, purses, campaigns and coupons. No
I/O, no clock.

A purpose binds money of a funder to shops, districts, days and hours; a purse holds such money for
a wallet. A campaign discounts purchases out of a budget; a coupon is a wallet's part in one. What
was answered when one was made is told from its row alone, so that every repeat gets the same bytes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch import limits
from switch.clock import rfc3339
from switch.errors import Problem
from switch.message import Amount, Id, Time, decode, in_utc, malformed

Name = Annotated[str, Meta(min_length=1, max_length=limits.FUND_NAME_CHARS_MAX)]
Category = Annotated[str, Meta(pattern="^[0-9]{4}$")]
Categories = Annotated[list[Category], Meta(min_length=1, max_length=limits.FUND_PLACES_MAX)]
District = Annotated[str, Meta(min_length=1, max_length=limits.DISTRICT_CHARS_MAX)]
Districts = Annotated[list[District], Meta(min_length=1, max_length=limits.FUND_PLACES_MAX)]
Weekday = Annotated[int, Meta(ge=1, le=7)]
Weekdays = Annotated[list[Weekday], Meta(min_length=1, max_length=7)]
Hour = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
PartsPerMillion = Annotated[int, Meta(ge=1, le=1_000_000)]
Moment = Annotated[datetime, Meta(tz=True)]
CouponUses = Annotated[int, Meta(ge=1, le=limits.COUPON_USES_MAX)]
CouponCount = Annotated[int, Meta(ge=1, le=limits.CAMPAIGN_COUPONS_MAX)]


class PurposeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/purposes`. What is left out does not limit.

    `account` is the funder's: what is left in purses at `not_after` goes back to it. `categories`
    are of merchants (ISO 18245), `weekdays` 1 Monday to 7 Sunday, hours local, `until` excluded.
    """

    account: UUID
    name: Name
    categories: Categories | None = None
    districts: Districts | None = None
    weekdays: Weekdays | None = None
    from_time: Hour | None = None
    until_time: Hour | None = None
    not_after: Moment


class PurseRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/purses`."""

    purpose: UUID
    wallet: UUID


class CampaignRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/campaigns`: a fixed `discount`, or a part of the amount.

    A part is rounded half up to a minor unit and is never more than `discount_max`. `coupons_max`
    wallets get a coupon, who comes first, each for `uses_max` purchases of `amount_min` or more.
    """

    account: UUID
    name: Name
    discount: Amount | None = None
    parts_per_million: PartsPerMillion | None = None
    discount_max: Amount | None = None
    amount_min: Amount = 1
    uses_max: CouponUses = 1
    coupons_max: CouponCount
    categories: Categories | None = None
    districts: Districts | None = None
    not_before: Moment | None = None
    not_after: Moment


class CouponRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/coupons`."""

    campaign: UUID
    account: UUID


class Purpose(Struct, frozen=True, kw_only=True):
    """What money is bound to; it never changes."""

    id: Id
    account: Id
    currency: str
    name: str
    categories: list[str] | None
    districts: list[str] | None
    weekdays: list[int] | None
    from_time: str | None
    until_time: str | None
    not_after: Time
    created_at: Time


class Purse(Struct, frozen=True, kw_only=True):
    """Money of a purpose beside a wallet; its account has the same id."""

    id: Id
    wallet: Id
    purpose: Id
    not_after: Time


class Campaign(Struct, frozen=True, kw_only=True):
    """A discount and its budget, whose account has the same id; it never changes."""

    id: Id
    account: Id
    currency: str
    name: str
    discount: int | None
    parts_per_million: int | None
    discount_max: int | None
    amount_min: int
    uses_max: int
    coupons_max: int
    categories: list[str] | None
    districts: list[str] | None
    not_before: Time
    not_after: Time
    created_at: Time


class Coupon(Struct, frozen=True, kw_only=True):
    """A wallet's part in a campaign, for so many purchases."""

    id: Id
    campaign: Id
    account: Id
    uses_max: int
    created_at: Time


Fund = Purpose | Purse | Campaign | Coupon

# --- decoding ------------------------------------------------------------------------


_purpose_decoder = msgspec.json.Decoder(PurposeRequest)
_purse_decoder = msgspec.json.Decoder(PurseRequest)
_campaign_decoder = msgspec.json.Decoder(CampaignRequest)
_coupon_decoder = msgspec.json.Decoder(CouponRequest)


def decode_purpose(body: bytes) -> PurposeRequest | Problem:
    """The purpose in these bytes, or which rule they break."""
    request = decode(_purpose_decoder, body)
    if isinstance(request, Problem):
        return request
    if (request.from_time is None) != (request.until_time is None):
        return malformed("Give both `from_time` and `until_time`, or neither.", "from_time")
    if request.from_time and request.until_time and request.from_time >= request.until_time:
        return malformed("It must be later than `from_time`.", "until_time")
    return in_utc(request, "not_after")


def decode_purse(body: bytes) -> PurseRequest | Problem:
    """Which purse to open, or which rule these bytes break."""
    return decode(_purse_decoder, body)


def decode_campaign(body: bytes) -> CampaignRequest | Problem:
    """The campaign in these bytes, or which rule they break."""
    request = decode(_campaign_decoder, body)
    if isinstance(request, Problem):
        return request
    if (request.discount is None) == (request.parts_per_million is None):
        return malformed("Give either `discount` or `parts_per_million`.", "discount")
    if request.discount_max is not None and request.parts_per_million is None:
        return malformed("Only a part of the amount has a `discount_max`.", "discount_max")
    if request.not_before is not None and request.not_after <= request.not_before:
        return malformed("It must be later than `not_before`.", "not_after")
    return in_utc(request, "not_before", "not_after")


def decode_coupon(body: bytes) -> CouponRequest | Problem:
    """Which coupon is wanted, or which rule these bytes break."""
    return decode(_coupon_decoder, body)


def minute(time: str | None) -> int | None:
    """The minute of the day that `HH:MM` stands for; None for none."""
    return None if time is None else int(time[:2]) * 60 + int(time[3:])


# --- what a row says; `row` has the columns of the table ----------------------------------


def as_purpose(row: Mapping[str, Any]) -> Purpose:
    """From a row of ledger.purpose."""
    return Purpose(
        id=str(row["id"]),
        account=str(row["account"]),
        currency=row["currency"],
        name=row["name"],
        categories=row["categories"],
        districts=row["districts"],
        weekdays=row["weekdays"],
        from_time=_time(row["from_minute"]),
        until_time=_time(row["until_minute"]),
        not_after=rfc3339(row["not_after"]),
        created_at=rfc3339(row["created_at"]),
    )


def as_purse(row: Mapping[str, Any]) -> Purse:
    """From a row of ledger.purse."""
    return Purse(
        id=str(row["id"]),
        wallet=str(row["wallet"]),
        purpose=str(row["purpose"]),
        not_after=rfc3339(row["not_after"]),
    )


def as_campaign(row: Mapping[str, Any]) -> Campaign:
    """From a row of ledger.campaign."""
    return Campaign(
        id=str(row["id"]),
        account=str(row["account"]),
        currency=row["currency"],
        name=row["name"],
        discount=row["discount"],
        parts_per_million=row["parts_per_million"],
        discount_max=row["discount_max"],
        amount_min=row["amount_min"],
        uses_max=row["uses_max"],
        coupons_max=row["coupons_max"],
        categories=row["categories"],
        districts=row["districts"],
        not_before=rfc3339(row["not_before"]),
        not_after=rfc3339(row["not_after"]),
        created_at=rfc3339(row["created_at"]),
    )


def as_coupon(row: Mapping[str, Any]) -> Coupon:
    """From a row of ledger.coupon."""
    return Coupon(
        id=str(row["id"]),
        campaign=str(row["campaign"]),
        account=str(row["account"]),
        uses_max=row["uses_max"],
        created_at=rfc3339(row["created_at"]),
    )


def _time(minutes: int | None) -> str | None:
    return None if minutes is None else f"{minutes // 60:02}:{minutes % 60:02}"
