"""A breaker: when it opens, how long its pauses are, when it closes."""

import pytest

from switch.breaker import Breaker, pause_s
from tests.unit.door import HandClock


def breaker(clock: HandClock) -> Breaker:
    """One that opens at the third failure and pauses from 1 to 8 seconds."""
    return Breaker(clock, failures_max=3, pause_s_min=1.0, pause_s_max=8.0)


def test_a_breaker_opens_at_the_last_of_its_failures_in_a_row() -> None:
    """A success in between begins the count anew."""
    one = breaker(HandClock())
    for fails in (one.fail, one.fail, one.reset, one.fail, one.fail):
        fails()
        assert not one.is_open
        assert not one.is_spared
    one.fail()
    assert one.is_open
    assert one.is_spared


def test_the_pauses_of_a_breaker_double_up_to_their_bound() -> None:
    """Each failure after a pause begins one that is twice as long, with jitter of up to half."""
    clock = HandClock()
    one = breaker(clock)
    for _ in range(2):
        one.fail()
    for longest_s in (1.0, 2.0, 4.0, 8.0, 8.0, 8.0):
        one.fail()
        clock.passed_s += longest_s / 2 - 0.001
        assert one.is_spared
        clock.passed_s += longest_s / 2 + 0.001
        assert not one.is_spared
        assert one.is_open


def test_failures_that_were_under_way_together_begin_one_pause() -> None:
    """A hundred calls that fail at the same moment are one sign that the server is down."""
    clock = HandClock()
    one = breaker(clock)
    for _ in range(100):
        one.fail()
    clock.passed_s += 1.0
    assert not one.is_spared


def test_a_success_closes_a_breaker_and_forgets_its_pauses() -> None:
    """The next time it begins with the shortest pause."""
    clock = HandClock()
    one = breaker(clock)
    for _ in range(10):
        one.fail()
        clock.passed_s += 8.0
    one.reset()
    assert not one.is_open
    for _ in range(3):
        one.fail()
    clock.passed_s += 1.0
    assert not one.is_spared


@pytest.mark.parametrize("failures", [0, 1, 5, 10_000])
def test_a_pause_lies_between_half_and_all_of_its_ceiling(failures: int) -> None:
    """Whatever the count of failures: it never overflows, and those who failed spread out."""
    ceiling_s = min(60.0, 2.0**failures) if failures < 100 else 60.0
    pauses = {pause_s(failures, 1.0, 60.0) for _ in range(100)}
    assert all(ceiling_s / 2 <= one <= ceiling_s for one in pauses)
    assert len(pauses) > 50
