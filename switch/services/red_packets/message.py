"""What is sent about red packets: bodies in and out. No I/O, no clock."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch.clock import rfc3339
from switch.errors import Problem
from switch.message import Amount, Id, Reason, Time, decode, in_utc, one_of
from switch.services.red_packets import limits

Count = Annotated[int, Meta(ge=1, le=limits.COUNT_MAX)]
Hex = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{64}$"})]
EntryStatus = Annotated[str, one_of("waiting", "won", "lost", "given")]


class OfferRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/red-packets`: `count` gifts of `amount`, bound to a purpose.

    With `draw_at` they are drawn by lot at that moment, else who comes first gets one.
    """

    purpose: UUID
    amount: Amount
    count: Count
    draw_at: Annotated[datetime, Meta(tz=True)] | None = None


class OfferEntryRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/red-packets/{id}/entries`."""

    wallet: UUID


class Offer(Struct, frozen=True, kw_only=True):
    """What is offered, as it was made. `seed_digest`: SHA-256 of the seed of the lots."""

    id: Id
    purpose: Id
    currency: str
    amount: int
    count: int
    draw_at: Time | None
    seed_digest: Hex | None
    not_after: Time
    created_at: Time


class OfferNow(Struct, frozen=True, kw_only=True):
    """How far an offer is; the `seed` is told once the lots are drawn."""

    offer: Offer
    entries: int
    won: int
    drawn_at: Time | None
    seed: Hex | None


class OfferEntry(Struct, frozen=True, kw_only=True):
    """A wallet's entry as it was made; `status` then was `won` or `waiting` for the draw."""

    id: Id
    offer: Id
    wallet: Id
    status: EntryStatus
    created_at: Time


class EntryNow(Struct, frozen=True, kw_only=True):
    """An entry as it is: `won` until it is `given`; `reason`: why that failed the last time."""

    entry: OfferEntry
    status: EntryStatus
    purse: Id | None
    payment: Id | None
    reason: Reason | None


class Lot(Struct, frozen=True, kw_only=True):
    """An entry for everybody: no wallet, and its lot once it is drawn."""

    id: Id
    status: EntryStatus
    lot: Hex | None


_offer_decoder = msgspec.json.Decoder(OfferRequest)
_entry_decoder = msgspec.json.Decoder(OfferEntryRequest)


def decode_offer(body: bytes) -> OfferRequest | Problem:
    """The offer in these bytes, or which rule they break."""
    request = decode(_offer_decoder, body)
    return request if isinstance(request, Problem) else in_utc(request, "draw_at")


def decode_entry(body: bytes) -> OfferEntryRequest | Problem:
    """Which wallet enters, or which rule these bytes break."""
    return decode(_entry_decoder, body)


def as_offer(row: Mapping[str, Any]) -> Offer:
    """From a row of packet."""
    return Offer(
        id=str(row["id"]),
        purpose=str(row["purpose"]),
        currency=row["currency"],
        amount=row["amount"],
        count=row["count"],
        draw_at=None if row["draw_at"] is None else rfc3339(row["draw_at"]),
        seed_digest=None if row["seed"] is None else hashlib.sha256(row["seed"]).hexdigest(),
        not_after=rfc3339(row["not_after"]),
        created_at=rfc3339(row["created_at"]),
    )


def as_offer_now(row: Mapping[str, Any]) -> OfferNow:
    """The same, and how far it is."""
    is_drawn = row["drawn_at"] is not None
    return OfferNow(
        offer=as_offer(row),
        entries=row["entries"],
        won=row["won"],
        drawn_at=rfc3339(row["drawn_at"]) if is_drawn else None,
        seed=row["seed"].hex() if is_drawn else None,
    )


def as_entry(row: Mapping[str, Any]) -> OfferEntry:
    """From a row of entry, as it was made: what waits for a draw has a lot, shown or not."""
    was_waiting = row["status"] == "waiting" or row["lot"] is not None
    return OfferEntry(
        id=str(row["id"]),
        offer=str(row["packet"]),
        wallet=str(row["wallet"]),
        status="waiting" if was_waiting else "won",
        created_at=rfc3339(row["created_at"]),
    )


def as_entry_now(row: Mapping[str, Any]) -> EntryNow:
    """The same, as it is."""
    return EntryNow(
        entry=as_entry(row),
        status=row["status"],
        purse=None if row["purse"] is None else str(row["purse"]),
        payment=None if row["payment"] is None else str(row["payment"]),
        reason=row["reason"],
    )


def as_lot(row: Mapping[str, Any]) -> Lot:
    """The same for everybody."""
    return Lot(
        id=str(row["id"]),
        status=row["status"],
        lot=None if row["lot"] is None else row["lot"].hex(),
    )
