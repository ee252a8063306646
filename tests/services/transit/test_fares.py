"""Fares as rules: against a plain model, whatever the order of arrival, and case by case."""

import random
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from switch.services.transit import message
from switch.services.transit.fares import (
    Direction,
    Kind,
    RiderClass,
    Tap,
    fares_of,
    rides_of,
    share,
)
from switch.services.transit.pricing import price
from tests.services.transit import model
from tests.services.transit.metro import FARES

MONDAY = date(2026, 11, 2)
MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)
GATES = [UUID(int=number) for number in range(1, 5)]
TAPS = 100_000
OVER = date(2027, 1, 1)
TABLE = message.table_of(msgspec.convert(FARES, message.FaresRequest))
ADULT = TABLE.rider("adult")


def random_fares(chance: random.Random) -> dict[str, object]:
    """Odd prices, so that halves are rounded; caps that are met, and some that are not there."""
    caps = [None, chance.randrange(300, 3_000)]
    return FARES | {
        "prices": [[chance.randrange(0, 700) for _ in range(3)] for _ in range(3)],
        "boarding_price": chance.randrange(0, 300),
        "incomplete_price": chance.randrange(0, 900),
        "ride_minutes_max": chance.choice([1, 30, 120]),
        "transfer_minutes": chance.choice([0, 20, 60, 200]),
        "transfer_percent": chance.choice([0, 33, 50, 100]),
        "classes": {
            "adult": {
                "percent": chance.choice([0, 33, 50, 100]),
                "day_cap": chance.choice(caps),
                "week_cap": chance.choice(caps),
            }
        },
    }


def random_taps(chance: random.Random, count: int) -> list[tuple[int, str, str]]:
    """A week's taps at minutes of their own; mostly out after in, now and then anything."""
    minutes = sorted(chance.sample(range(model.BEGIN, model.BEGIN + 7 * model.DAY), count))
    if chance.random() < 0.5:  # crowded into one day, so that rides, transfers and caps meet
        minutes = sorted(chance.sample(range(3 * model.DAY, 3 * model.DAY + 600), count))
    taps = []
    direction = "out"
    for minute in minutes:
        likely = {"in": "out", "out": "in", "board": "in"}[direction]
        direction = likely if chance.random() < 0.7 else chance.choice(["in", "out", "board"])
        taps.append((minute, chance.choice(list(FARES["stations"])), direction))
    return taps


def row(taps: list[tuple[int, str, str]], chance: random.Random) -> dict[str, object]:
    """As the ledger gives them: in no order at all."""
    shuffled = [(*tap, counter) for counter, tap in enumerate(taps)]
    chance.shuffle(shuffled)
    moments = [MIDNIGHT + timedelta(minutes=minute) for minute, _, _, _ in shuffled]
    return {
        "rider_class": "adult",
        "read_at": MIDNIGHT,
        "today": OVER,
        "days": [(moment - timedelta(hours=4)).date() for moment in moments],
        "tapped_at": moments,
        "gates": [chance.choice(GATES) for _ in shuffled],
        "counters": [counter for *_, counter in shuffled],
        "directions": [direction for _, _, direction, _ in shuffled],
        "stations": [station for _, station, _, _ in shuffled],
    }


def test_random_weeks_cost_what_the_model_says(seed: int) -> None:
    """Whatever the order in which the taps are known."""
    chance = random.Random(seed)
    done = 0
    kinds = set()
    while done < TAPS:
        fares = random_fares(chance)
        table = message.table_of(msgspec.convert(fares, message.FaresRequest))
        taps = random_taps(chance, chance.randrange(1, 60))
        done += len(taps)
        priced = price(row(taps, chance), [(MONDAY, table)])
        expected = model.week(taps, fares, "adult")
        found = {one.day: one.fare for one in priced.days}
        days = [MONDAY + timedelta(days=number) for number in range(7)]
        assert [found.get(day, 0) for day in days] == expected, (fares, taps)
        kinds |= {ride.kind for one in priced.days for ride in one.rides}
    assert kinds == set(Kind) - {Kind.OPEN}


def tap(minute: int, direction: str, station: str = "harbour", counter: int = 0) -> Tap:
    moment = MIDNIGHT + timedelta(hours=8, minutes=minute)
    return Tap(
        tapped_at=moment, gate=GATES[0], counter=counter, direction=Direction(direction),
        station=station,
    )  # fmt: skip


def rides(*taps: Tap, minute: int = 600, is_over: bool = True) -> list[tuple[Kind, int, bool]]:
    read_at = MIDNIGHT + timedelta(hours=8, minutes=minute)
    found = rides_of(taps, TABLE, ADULT, read_at=read_at, is_over=is_over)
    return [(ride.kind, ride.price, ride.is_transfer) for ride in found]


def test_a_ride_costs_by_its_two_zones() -> None:
    """There as the table says, and back at half within the hour."""
    there = tap(0, "in"), tap(20, "out", "airport")
    back = tap(60, "in", "airport"), tap(80, "out")
    assert rides(*there, *back) == [(Kind.COMPLETE, 600, False), (Kind.COMPLETE, 300, True)]


def test_a_window_begins_with_the_first_ride_that_is_paid_in_full() -> None:
    """The last minute belongs to it; the ride after that begins another."""
    taps = [tap(0, "board"), tap(60, "board"), tap(61, "board"), tap(121, "board")]
    full, half = (Kind.BOARDING, 150, False), (Kind.BOARDING, 75, True)
    assert rides(*taps) == [full, half, full, half]


@pytest.mark.parametrize(("minutes", "kind"), [(120, Kind.COMPLETE), (121, Kind.NO_TAP_OUT)])
def test_a_ride_lasts_so_long_and_no_longer(minutes: int, kind: Kind) -> None:
    """After that both taps miss their other."""
    found = rides(tap(0, "in"), tap(minutes, "out"))
    assert found[0][0] is kind
    assert len(found) == (1 if kind is Kind.COMPLETE else 2)


def test_an_open_ride_costs_nothing_until_it_cannot_end_any_more() -> None:
    """By its time, or by the end of the day."""
    assert rides(tap(0, "in"), minute=120, is_over=False) == [(Kind.OPEN, 0, False)]
    assert rides(tap(0, "in"), minute=121, is_over=False) == [(Kind.NO_TAP_OUT, 700, False)]
    assert rides(tap(0, "in"), minute=1, is_over=True) == [(Kind.NO_TAP_OUT, 700, False)]


def test_missing_taps_are_told_apart() -> None:
    """In and in, out and out, in and aboard; none of them opens a window or is half price."""
    taps = [tap(0, "in"), tap(1, "in"), tap(2, "board"), tap(3, "out"), tap(4, "board")]
    assert rides(*taps) == [
        (Kind.NO_TAP_OUT, 700, False),
        (Kind.NO_TAP_OUT, 700, False),
        (Kind.BOARDING, 150, False),
        (Kind.NO_TAP_IN, 700, False),
        (Kind.BOARDING, 75, True),
    ]


def test_taps_of_one_moment_have_an_order_of_their_own() -> None:
    """By gate and counter, so that it is the same whoever computes it."""
    first, second = tap(0, "in", counter=1), tap(0, "out", counter=2)
    assert rides(second, first) == [(Kind.COMPLETE, 200, False)]


def test_caps_take_the_days_in_their_order() -> None:
    """A week's cap cuts the day that passes it, and what comes after is free."""
    rider = RiderClass(percent=100, day_cap=1000, week_cap=1500)
    ride = rides_of([tap(0, "in"), tap(200, "in")], TABLE, ADULT, read_at=MIDNIGHT, is_over=True)
    days = [(MONDAY + timedelta(days=number), ride, rider) for number in (2, 0, 1)]
    assert [one.fare for one in fares_of(days)] == [1000, 500, 0]


def test_halves_are_rounded_up() -> None:
    """Of one unit, too."""
    assert [share(amount, 50) for amount in (0, 1, 2, 3)] == [0, 1, 1, 2]
    assert share(10**10, 100) == 10**10


def test_what_a_table_does_not_know_has_a_price() -> None:
    """A station costs as a missing tap does, a class pays in full."""
    assert TABLE.between("harbour", "moon") == 700
    assert TABLE.rider("martian") == RiderClass(percent=100, day_cap=None, week_cap=None)
