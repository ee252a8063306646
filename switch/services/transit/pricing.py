"""From rows to fares: what the taps of a week cost by the tables of its days. No I/O, no clock."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from switch.services.transit.fares import (
    MINUTE,
    Day,
    Direction,
    FareTable,
    Kind,
    Tap,
    fares_of,
    rides_of,
)
from switch.services.transit.message import read_table

TABLES_KEPT_MAX = 64  # decoded: of each network the one of today and the next

Table = tuple[date, FareTable]  # from which day on

_decoded = lru_cache(maxsize=TABLES_KEPT_MAX)(read_table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A week: its days, and what follows for when it is looked at again."""

    days: Sequence[Day]
    ride_ends_at: datetime | None  # the first moment at which an open ride is open no more

    @property
    def fares(self) -> int:
        """Of all its rides."""
        return sum(one.fare for one in self.days)

    def due(self, payable_through: date) -> int:
        """Of the days up to this one."""
        return sum(one.fare for one in self.days if one.day <= payable_through)

    def next_day(self, payable_through: date) -> date | None:
        """The first day after this one that has rides."""
        return min((one.day for one in self.days if one.day > payable_through), default=None)


def tables_of(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """From rows of fare_table."""
    return [(row["from_day"], _decoded(row["content"])) for row in rows]


def price(row: Mapping[str, Any], tables: Sequence[Table]) -> Priced:
    """What a row of due_weeks or read_week comes to; `tables` in the order of their days."""
    days: dict[date, list[Tap]] = defaultdict(list)
    for day, moment, gate, counter, direction, station in zip(
        row["days"], row["tapped_at"], row["gates"], row["counters"], row["directions"],
        row["stations"], strict=True,
    ):  # fmt: skip
        tap = Tap(
            tapped_at=moment, gate=gate, counter=counter, direction=Direction(direction),
            station=station,
        )  # fmt: skip
        days[day].append(tap)
    priced = []
    ride_ends_at: datetime | None = None
    for day, taps in days.items():
        table = _on(day, tables)
        rider = table.rider(row["rider_class"])
        rides = rides_of(taps, table, rider, read_at=row["read_at"], is_over=day < row["today"])
        priced.append((day, rides, rider))
        if rides[-1].kind is Kind.OPEN:
            ends_at = rides[-1].began_at + table.ride_minutes_max * MINUTE
            ride_ends_at = ends_at + timedelta(microseconds=1)
    return Priced(days=fares_of(priced), ride_ends_at=ride_ends_at)


def _on(day: date, tables: Sequence[Table]) -> FareTable:
    """The table of a day: the last that is valid by then."""
    valid = [table for from_day, table in tables if from_day <= day]
    assert valid, "no tap is taken of a day without fares"
    return valid[-1]
