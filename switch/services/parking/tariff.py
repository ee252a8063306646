"""What parking costs. No I/O, no clock: times are arguments, money is minor units."""

from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A price for each unit of time that was begun, at most `day_max` in each 24 hours."""

    free_minutes: int
    unit_minutes: int
    unit_price: int
    day_max: int | None


def fee(tariff: Tariff, entered_at: datetime, left_at: datetime) -> int:
    """Of a stay between two moments: nothing up to the free minutes, then all of it counts."""
    assert left_at >= entered_at, "nobody leaves before he came"
    stayed = left_at - entered_at
    if stayed <= tariff.free_minutes * MINUTE:
        return 0
    if tariff.day_max is None:
        return _units(tariff, stayed) * tariff.unit_price
    days, rest = divmod(stayed, DAY)
    return days * _of_a_day(tariff, DAY) + _of_a_day(tariff, rest)


def _of_a_day(tariff: Tariff, stayed: timedelta) -> int:
    price = _units(tariff, stayed) * tariff.unit_price
    return price if tariff.day_max is None else min(price, tariff.day_max)


def _units(tariff: Tariff, stayed: timedelta) -> int:
    """Units of time that were begun."""
    return -(-stayed // (tariff.unit_minutes * MINUTE))
