"""Fares once more, as plainly as they can be told: minutes and lists, one sorted day at a time.

It shares no code with the switch. A tap is (minute, station, direction), minutes counted from the
Monday's midnight; a service day begins at 04:00.
"""

from typing import Any

DAY = 24 * 60
BEGIN = 4 * 60


def rounded(amount: int, percent: int) -> int:
    whole, rest = divmod(amount * percent, 100)
    return whole + (1 if rest >= 50 else 0)


def week(taps: list[tuple[int, str, str]], fares: dict[str, Any], rider_class: str) -> list[int]:
    """What each of seven service days costs, once the week is over."""
    rider = fares["classes"][rider_class]
    total = 0
    result = []
    for number in range(7):
        begin = number * DAY + BEGIN
        today = sorted(tap for tap in taps if begin <= tap[0] < begin + DAY)
        cost = day(today, fares, rider["percent"])
        if rider["day_cap"] is not None and cost > rider["day_cap"]:
            cost = rider["day_cap"]
        if rider["week_cap"] is not None and total + cost > rider["week_cap"]:
            cost = rider["week_cap"] - total
        total += cost
        result.append(cost)
    return result


def day(taps: list[tuple[int, str, str]], fares: dict[str, Any], percent: int) -> int:
    """The rides of a sorted day, without caps."""
    rest = list(taps)
    cost = 0
    window = None
    while rest:
        minute, station, direction = rest.pop(0)
        if direction == "out":
            cost += rounded(fares["incomplete_price"], percent)
            continue
        if direction == "in":
            if not rest or rest[0][2] != "out" or rest[0][0] - minute > fares["ride_minutes_max"]:
                cost += rounded(fares["incomplete_price"], percent)
                continue
            _, end, _ = rest.pop(0)
            zones = fares["stations"]
            full = fares["prices"][zones[station]][zones[end]]
        else:
            full = fares["boarding_price"]
        price = rounded(full, percent)
        if window is not None and minute - window <= fares["transfer_minutes"]:
            price = rounded(price, fares["transfer_percent"])
        else:
            window = minute
        cost += price
    return cost
