"""What is sent about transit: bodies in and out. No I/O, no clock."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch.clock import rfc3339
from switch.currencies import CURRENCIES
from switch.errors import Problem, SwitchError
from switch.key_message import PublicJwk, public_bytes, published
from switch.message import Amount, Currency, Id, Time, decode, in_utc, malformed, one_of
from switch.services.transit import limits
from switch.services.transit.fares import Day, FareTable, Kind, Ride, RiderClass

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
Code = Annotated[str, Meta(pattern=rf"^[A-Za-z0-9._-]{{1,{limits.CODE_CHARS_MAX}}}$")]
TimeOfDay = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
SettleMinutes = Annotated[int, Meta(ge=0, le=limits.SETTLE_MINUTES_MAX)]
Price = Annotated[int, Meta(ge=0, le=limits.PRICE_MAX)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Zone = Annotated[int, Meta(ge=0, lt=limits.ZONES_MAX)]
RideMinutes = Annotated[int, Meta(ge=1, le=limits.MINUTES_MAX)]
TransferMinutes = Annotated[int, Meta(ge=0, le=limits.MINUTES_MAX)]
Stations = Annotated[dict[Code, Zone], Meta(min_length=1, max_length=limits.STATIONS_MAX)]
Row = Annotated[list[Price], Meta(min_length=1, max_length=limits.ZONES_MAX)]
Prices = Annotated[list[Row], Meta(min_length=1, max_length=limits.ZONES_MAX)]
Counter = Annotated[int, Meta(ge=0, le=limits.COUNTER_MAX)]
Signature = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{86}$")]
Moment = Annotated[datetime, Meta(tz=True)]
DenialReason = Annotated[str, one_of("blocked", "debt", "liability")]


class NetworkRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/transit-networks`.

    A service day lasts from `day_begins`, local time, to the same time of the next date; its fares
    are due `settle_minutes` after that. A token may owe `liability_max` before gates refuse it.
    """

    account: UUID
    currency: Currency
    name: Name
    day_begins: TimeOfDay = "04:00"
    settle_minutes: SettleMinutes = 120
    liability_max: Amount


class RiderClassRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a class of riders pays: `percent` of each price, at most the caps."""

    percent: Percent = 100
    day_cap: Price | None = None
    week_cap: Price | None = None


class FaresRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/transit-networks/{id}/fares`.

    `prices` has a row for each zone where a ride begins, and in it a price for each where it ends.
    """

    from_day: date
    stations: Stations
    prices: Prices
    boarding_price: Price
    incomplete_price: Price
    ride_minutes_max: RideMinutes = 240
    transfer_minutes: TransferMinutes = 0
    transfer_percent: Percent = 100
    classes: Annotated[
        dict[Code, RiderClassRequest], Meta(min_length=1, max_length=limits.CLASSES_MAX)
    ]


class GateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/transit-gates`."""

    network: UUID
    name: Name
    public_key: PublicJwk


class TokenRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/transit-tokens`."""

    network: UUID
    mandate: UUID
    public_key: PublicJwk
    rider_class: Code
    not_before: Moment | None = None
    not_after: Moment


class AskAgainRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/transit-tokens/{id}/settle`: nothing, or another mandate."""

    mandate: UUID | None = None


class TapRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tap: what the gate counted, who tapped where and when, and both signatures."""

    gate: UUID
    counter: Counter
    token: UUID
    station: Code
    direction: Literal["in", "out", "board"]
    tapped_at: Moment
    rider_signature: Signature
    gate_signature: Signature


class TapsRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/transit-taps`, in any order."""

    taps: Annotated[list[TapRequest], Meta(min_length=1, max_length=limits.TAPS_MAX)]


# --- what the switch answers; fields in the order of the wire ------------------------


class Network(Struct, frozen=True, kw_only=True):
    """A network; it never changes."""

    id: Id
    account: Id
    currency: str
    name: str
    day_begins: str
    settle_minutes: int
    liability_max: int
    created_at: Time


class Fares(Struct, frozen=True, kw_only=True):
    """A fare table; it never changes."""

    id: Id
    network: Id
    from_day: str
    stations: dict[str, int]
    prices: list[list[int]]
    boarding_price: int
    incomplete_price: int
    ride_minutes_max: int
    transfer_minutes: int
    transfer_percent: int
    classes: dict[str, RiderClassRequest]
    created_at: Time


class NetworkNow(Struct, frozen=True, kw_only=True):
    """A network with the fares of today, and those that are to come."""

    network: Network
    fares: list[Fares]


class Gate(Struct, frozen=True, kw_only=True):
    """A gate; what it says after `closed_at` does not count."""

    id: Id
    network: Id
    name: str
    public_key: PublicJwk
    created_at: Time
    closed_at: Time | None


class Token(Struct, frozen=True, kw_only=True):
    """A token; `signed` is what the rider carries: a JWS that gates verify by themselves."""

    id: Id
    network: Id
    public_key: PublicJwk
    rider_class: str
    liability_max: int
    not_before: Time
    not_after: Time
    created_at: Time
    signed: str


class TokenNow(Struct, frozen=True, kw_only=True):
    """A token as it stands. `denied_for`: why it is on the deny list; null when it is not.

    `fares` of all rides so far, `due` of the days that are over, `paid` of that; `owed` is the
    difference of the last two.
    """

    token: Token
    mandate: Id
    currency: str
    denied_for: DenialReason | None
    fares: int
    due: int
    paid: int
    owed: int


class RideShown(Struct, frozen=True, kw_only=True):
    """A ride: `open`, `complete`, `boarding`, `no_tap_out` or `no_tap_in`; before any cap."""

    kind: Annotated[str, one_of(*Kind)]
    began_at: Time
    ended_at: Time | None
    origin: str | None
    destination: str | None
    is_transfer: bool
    price: int


class DayShown(Struct, frozen=True, kw_only=True):
    """A service day: its rides, and what they cost under the caps."""

    day: str
    rides: list[RideShown]
    fare: int


class Week(Struct, frozen=True, kw_only=True):
    """What a token rode from a Monday to the Sunday after."""

    token: Id
    monday: str
    currency: str
    days: list[DayShown]
    fares: int
    due: int
    paid: int


class TapVerdict(Struct, frozen=True, kw_only=True):
    """What became of a tap: `taken`, `known` from before, or `refused`, and why."""

    gate: Id
    counter: int
    status: Annotated[str, one_of("taken", "known", "refused")]
    reason: str | None


class TapVerdicts(Struct, frozen=True, kw_only=True):
    """What became of each tap, in the order in which they were sent."""

    taken: int
    known: int
    refused: int
    taps: list[TapVerdict]


class Denial(Struct, frozen=True, kw_only=True):
    """A change of the deny list; a token that is on it no more has no reason."""

    number: int
    token: Id
    is_denied: bool
    reason: DenialReason | None
    changed_at: Time


# --- decoding ------------------------------------------------------------------------

_network_decoder = msgspec.json.Decoder(NetworkRequest)
_fares_decoder = msgspec.json.Decoder(FaresRequest)
_gate_decoder = msgspec.json.Decoder(GateRequest)
_token_decoder = msgspec.json.Decoder(TokenRequest)
_ask_decoder = msgspec.json.Decoder(AskAgainRequest)
_taps_decoder = msgspec.json.Decoder(TapsRequest)
_table_decoder = msgspec.json.Decoder(FareTable)


def decode_network(body: bytes) -> NetworkRequest | Problem:
    """The network in these bytes, or which rule they break."""
    request = decode(_network_decoder, body)
    if isinstance(request, NetworkRequest) and request.currency not in CURRENCIES:
        return malformed("This is not a currency of ISO 4217.", "currency")
    return request


def decode_fares(body: bytes) -> FaresRequest | Problem:
    """The fares in these bytes, or which rule they break."""
    request = decode(_fares_decoder, body)
    if isinstance(request, Problem):
        return request
    zones = len(request.prices)
    for place, row in enumerate(request.prices):
        if len(row) != zones:
            return malformed(f"Expected {zones} prices, one for each zone.", f"prices[{place}]")
    for station, zone in request.stations.items():
        if zone >= zones:
            return malformed(f"There are prices for {zones} zones.", f"stations.{station}")
    if not 2000 <= request.from_day.year <= 2999:
        return malformed("Expected a day of this millennium.", "from_day")
    return request


def decode_gate(body: bytes) -> GateRequest | Problem:
    """The gate in these bytes, or which rule they break."""
    request = decode(_gate_decoder, body)
    if isinstance(request, Problem):
        return request
    return _key_refusal(request.public_key) or request


def decode_token(body: bytes) -> TokenRequest | Problem:
    """The token that is asked for in these bytes, or which rule they break."""
    request = decode(_token_decoder, body)
    if isinstance(request, Problem):
        return request
    refusal = _key_refusal(request.public_key)
    return refusal or in_utc(request, "not_before", "not_after")


def decode_ask_again(body: bytes) -> AskAgainRequest | Problem:
    """Another mandate, or nothing; no body is an empty object."""
    return decode(_ask_decoder, body or b"{}")


def decode_taps(body: bytes) -> TapsRequest | Problem:
    """The taps in these bytes, or which rule they break."""
    return decode(_taps_decoder, body)


def _key_refusal(key: PublicJwk) -> Problem | None:
    try:
        public_bytes(key)
    except SwitchError as error:
        return malformed(f"Not a key to trust: {error}.", "public_key.x")
    return None


# --- fare tables as they are kept ----------------------------------------------------


def table_of(request: FaresRequest) -> FareTable:
    """The rules that a message lays down."""
    return FareTable(
        zones=request.stations,
        prices=request.prices,
        boarding_price=request.boarding_price,
        incomplete_price=request.incomplete_price,
        ride_minutes_max=request.ride_minutes_max,
        transfer_minutes=request.transfer_minutes,
        transfer_percent=request.transfer_percent,
        classes={
            name: RiderClass(percent=one.percent, day_cap=one.day_cap, week_cap=one.week_cap)
            for name, one in request.classes.items()
        },
    )


def kept(table: FareTable) -> str:
    """As a column of fare_table."""
    return msgspec.json.encode(table).decode()


def read_table(content: str) -> FareTable:
    """From a column of fare_table."""
    return _table_decoder.decode(content)


# --- what a row says -----------------------------------------------------------------


def day_begins(request: NetworkRequest) -> time:
    """The time of day at which service days begin."""
    return time.fromisoformat(request.day_begins)


def as_network(row: Mapping[str, Any]) -> Network:
    """From a row of network."""
    return Network(
        id=str(row["id"]),
        account=str(row["account"]),
        currency=row["currency"],
        name=row["name"],
        day_begins=row["day_begins"].isoformat(timespec="minutes"),
        settle_minutes=row["settle_minutes"],
        liability_max=row["liability_max"],
        created_at=rfc3339(row["created_at"]),
    )


def as_fares(row: Mapping[str, Any]) -> Fares:
    """From a row of fare_table."""
    table = read_table(row["content"])
    return Fares(
        id=str(row["id"]),
        network=str(row["network"]),
        from_day=row["from_day"].isoformat(),
        stations=dict(table.zones),
        prices=[list(prices) for prices in table.prices],
        boarding_price=table.boarding_price,
        incomplete_price=table.incomplete_price,
        ride_minutes_max=table.ride_minutes_max,
        transfer_minutes=table.transfer_minutes,
        transfer_percent=table.transfer_percent,
        classes={
            name: RiderClassRequest(percent=one.percent, day_cap=one.day_cap, week_cap=one.week_cap)
            for name, one in table.classes.items()
        },
        created_at=rfc3339(row["created_at"]),
    )


def as_gate(row: Mapping[str, Any]) -> Gate:
    """From a row of gate."""
    return Gate(
        id=str(row["id"]),
        network=str(row["network"]),
        name=row["name"],
        public_key=published(row["public_key"]),
        created_at=rfc3339(row["created_at"]),
        closed_at=None if row["closed_at"] is None else rfc3339(row["closed_at"]),
    )


def as_token(row: Mapping[str, Any]) -> Token:
    """From a row of token."""
    return Token(
        id=str(row["id"]),
        network=str(row["network"]),
        public_key=published(row["public_key"]),
        rider_class=row["rider_class"],
        liability_max=row["liability_max"],
        not_before=rfc3339(row["not_before"]),
        not_after=rfc3339(row["not_after"]),
        created_at=rfc3339(row["created_at"]),
        signed=row["signed"],
    )


def as_standing(row: Mapping[str, Any]) -> TokenNow:
    """From a row of read_standing."""
    return TokenNow(
        token=as_token(row),
        mandate=str(row["mandate"]),
        currency=row["currency"],
        denied_for=row["reason"],
        fares=row["fares"],
        due=row["due"],
        paid=row["paid"],
        owed=max(0, row["due"] - row["paid"]),
    )


def as_week(row: Mapping[str, Any], days: Sequence[Day]) -> Week:
    """From a row of read_week, and what its taps come to."""
    return Week(
        token=str(row["token"]),
        monday=row["monday"].isoformat(),
        currency=row["currency"],
        days=[
            DayShown(
                day=one.day.isoformat(),
                rides=[_shown(ride) for ride in one.rides],
                fare=one.fare,
            )
            for one in days
        ],
        fares=row["fares"],
        due=row["due"],
        paid=row["paid"],
    )


def _shown(ride: Ride) -> RideShown:
    return RideShown(
        kind=ride.kind,
        began_at=rfc3339(ride.began_at),
        ended_at=None if ride.ended_at is None else rfc3339(ride.ended_at),
        origin=ride.origin,
        destination=ride.destination,
        is_transfer=ride.is_transfer,
        price=ride.price,
    )


def as_denial(row: Mapping[str, Any]) -> Denial:
    """From a row of denial."""
    return Denial(
        number=row["number"],
        token=str(row["token"]),
        is_denied=row["reason"] is not None,
        reason=row["reason"],
        changed_at=rfc3339(row["changed_at"]),
    )
