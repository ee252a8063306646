"""What parking costs, against a meter that is looked at every minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.services.parking.tariff import Tariff, fee

BEGIN = datetime(2026, 11, 2, 8, tzinfo=UTC)
DAY_MINUTES = 1_440

tariffs = st.builds(
    Tariff,
    free_minutes=st.integers(0, 120),
    unit_minutes=st.integers(1, 180),
    unit_price=st.integers(1, 1000),
    day_max=st.none() | st.integers(1, 5000),
)


def metered(tariff: Tariff, minutes: int) -> int:
    """Minute by minute: a unit is due when it begins, and no more in 24 hours than their most."""
    if minutes <= tariff.free_minutes:
        return 0
    total = of_day = 0
    for minute in range(minutes):
        in_day = minute % DAY_MINUTES if tariff.day_max is not None else minute
        if in_day == 0 and tariff.day_max is not None:
            total, of_day = total + of_day, 0
        if in_day % tariff.unit_minutes == 0:
            of_day += tariff.unit_price
            if tariff.day_max is not None:
                of_day = min(of_day, tariff.day_max)
    return total + of_day


@given(tariff=tariffs, minutes=st.integers(0, 3 * DAY_MINUTES))
def test_a_fee_is_what_a_meter_counts(tariff: Tariff, minutes: int) -> None:
    """For any tariff and any stay of some days; a minute that was begun costs what it costs."""
    stayed = timedelta(minutes=minutes)
    assert fee(tariff, BEGIN, BEGIN + stayed) == metered(tariff, minutes)
    later = BEGIN + stayed + timedelta(microseconds=1)
    assert fee(tariff, BEGIN, later) == metered(tariff, minutes + 1)


@given(tariff=tariffs, first=st.integers(0, 9 * 86_400), more=st.integers(0, 86_400))
def test_who_stays_longer_never_pays_less(tariff: Tariff, first: int, more: int) -> None:
    """Over days too."""
    fees = [fee(tariff, BEGIN, BEGIN + timedelta(seconds=stay)) for stay in (first, first + more)]
    assert fees == sorted(fees)


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(0, 0), (15, 0), (15.1, 400), (30, 400), (31, 800), (300, 4000), (1440, 4000), (1441, 4400),
     (2 * 1440 + 40, 8800)],
)  # fmt: skip
def test_the_tariff_of_the_page(minutes: float, expected: int) -> None:
    """15 minutes free, 4.00 each half hour, 40.00 each 24 hours."""
    tariff = Tariff(free_minutes=15, unit_minutes=30, unit_price=400, day_max=4000)
    assert fee(tariff, BEGIN, BEGIN + timedelta(minutes=minutes)) == expected
