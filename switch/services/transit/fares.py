"""What rides cost: from the taps of a service day to rides, from the days of a week to fares.

No I/O, no clock: times are arguments, money is minor units. Everything is computed from the sorted
taps and nothing is carried over from one computation to the next, so it cannot matter when a tap
came or how often.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

MINUTE = timedelta(minutes=1)


class Direction(StrEnum):
    """What a tap says: through a gate into the network, out of it, or onto a vehicle."""

    IN = "in"
    OUT = "out"
    BOARD = "board"


class Kind(StrEnum):
    """What became of a ride."""

    OPEN = "open"  # its tap-out may still come
    COMPLETE = "complete"
    BOARDING = "boarding"
    NO_TAP_OUT = "no_tap_out"
    NO_TAP_IN = "no_tap_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """One tap that counts. Gate and counter make it the only one of its kind."""

    tapped_at: datetime
    gate: UUID
    counter: int
    direction: Direction
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderClass:
    """What a class of riders pays: per cent of each price, and at most so much."""

    percent: int
    day_cap: int | None
    week_cap: int | None


FULL = RiderClass(percent=100, day_cap=None, week_cap=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FareTable:
    """Prices between zones and of a boarding; transfers; what a missing tap costs; classes.

    `prices` has a row for each zone where one enters and in it a column for each where one leaves.
    """

    zones: Mapping[str, int]  # of each station
    prices: Sequence[Sequence[int]]
    boarding_price: int
    incomplete_price: int
    ride_minutes_max: int
    transfer_minutes: int
    transfer_percent: int
    classes: Mapping[str, RiderClass]

    def between(self, origin: str, destination: str) -> int:
        """The price of a ride; a station that is not of this table costs like a missing tap."""
        if origin not in self.zones or destination not in self.zones:
            return self.incomplete_price
        return self.prices[self.zones[origin]][self.zones[destination]]

    def rider(self, name: str) -> RiderClass:
        """What a class pays; one that is not of this table pays in full."""
        return self.classes.get(name, FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ride:
    """From one tap to another, or what is known of it; `price` is before any cap."""

    kind: Kind
    began_at: datetime
    ended_at: datetime | None
    origin: str | None
    destination: str | None
    is_transfer: bool
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The rides of a service day, and what they cost under the caps of day and week."""

    day: date
    rides: Sequence[Ride]
    fare: int


def share(amount: int, percent: int) -> int:
    """So many per cent of an amount, half a unit rounded up."""
    return (amount * percent + 50) // 100


def rides_of(
    taps: Iterable[Tap], table: FareTable, rider: RiderClass, *, read_at: datetime, is_over: bool
) -> list[Ride]:
    """The rides of one rider in one service day, in the order in which they began.

    `is_over`: no tap of this day can be made any more, so no ride of it is open.
    """
    longest = table.ride_minutes_max * MINUTE
    found: list[Ride] = []
    entry: Tap | None = None
    window_began_at: datetime | None = None

    def add(kind: Kind, first: Tap, last: Tap | None, full: int) -> None:
        nonlocal window_began_at
        price, is_transfer = share(full, rider.percent), False
        if kind in (Kind.COMPLETE, Kind.BOARDING):
            is_transfer = (
                window_began_at is not None
                and first.tapped_at - window_began_at <= table.transfer_minutes * MINUTE
            )
            if is_transfer:
                price = share(price, table.transfer_percent)
            else:
                window_began_at = first.tapped_at
        found.append(
            Ride(
                kind=kind,
                began_at=first.tapped_at,
                ended_at=None if last is None else last.tapped_at,
                origin=None if kind is Kind.NO_TAP_IN else first.station,
                destination=None if last is None else last.station,
                is_transfer=is_transfer,
                price=price,
            )
        )

    for tap in sorted(taps, key=lambda tap: (tap.tapped_at, tap.gate.bytes, tap.counter)):
        if (
            tap.direction is Direction.OUT
            and entry is not None
            and tap.tapped_at - entry.tapped_at <= longest
        ):
            add(Kind.COMPLETE, entry, tap, table.between(entry.station, tap.station))
            entry = None
            continue
        if entry is not None:
            add(Kind.NO_TAP_OUT, entry, None, table.incomplete_price)
            entry = None
        match tap.direction:
            case Direction.IN:
                entry = tap
            case Direction.OUT:
                add(Kind.NO_TAP_IN, tap, tap, table.incomplete_price)
            case Direction.BOARD:
                add(Kind.BOARDING, tap, None, table.boarding_price)
    if entry is not None:
        if is_over or read_at - entry.tapped_at > longest:
            add(Kind.NO_TAP_OUT, entry, None, table.incomplete_price)
        else:
            add(Kind.OPEN, entry, None, 0)
    return found


def fares_of(
    days: Iterable[tuple[date, Sequence[Ride], RiderClass]],
) -> list[Day]:
    """The days of one rider's week with their fares: the sum of a day up to its cap, and with the
    days before it up to the week's; each day's class is that of its own fare table.
    """
    found: list[Day] = []
    so_far = 0
    for day, rides, rider in sorted(days, key=lambda one: one[0]):
        fare = sum(ride.price for ride in rides)
        if rider.day_cap is not None:
            fare = min(fare, rider.day_cap)
        if rider.week_cap is not None:
            fare = min(fare, max(0, rider.week_cap - so_far))
        so_far += fare
        found.append(Day(day=day, rides=rides, fare=fare))
    return found
