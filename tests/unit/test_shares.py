"""Room for payments: as many as are decided soon, whoever has less than an equal share first."""

import pytest

from switch import limits
from switch.shares import Shares
from tests.unit.test_budget import StandingClock

FLOOD, OTHER = 1, 2


class Payments:
    """Payments that a worker takes on, as fast as it can and no faster."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.shares = Shares(total_max=4096, each_max=4096, clock=self.clock)
        self.shares.room = limits.PAYMENTS_ROOM_MAX  # as after some time of being missed

    def send(self, participant_no: int) -> bool:
        """One more; whether it was taken on."""
        if self.shares.refusal(participant_no) is not None:
            return False
        assert self.shares.enter(participant_no) is None
        return True

    def fill(self, participant_no: int) -> None:
        """Send until one is refused."""
        while self.send(participant_no):
            pass

    def decide(self, participant_no: int, count: int, each_s: float) -> None:
        """Some of a participant's are decided; the next window begins."""
        self.clock.at_s += limits.PAYMENTS_ROOM_WINDOW_S
        self.shares.decided(count, count * each_s)
        for _ in range(count):
            self.shares.leave(participant_no)


@pytest.fixture
def payments() -> Payments:
    """Nothing was sent yet."""
    return Payments()


def test_the_room_begins_small() -> None:
    """A flood from the first moment on finds no more of it than a slow ledger has."""
    shares = Shares(total_max=4096, each_max=4096, clock=StandingClock())
    assert shares.room == limits.PAYMENTS_ROOM_MIN


def test_whoever_waits_as_long_as_one_may_leaves_the_room_as_it_is(payments: Payments) -> None:
    """At the bound, and below it while nobody is refused."""
    for each_s in (limits.PAYMENT_WAIT_S_MEAN, 0.001):
        assert payments.send(FLOOD)
        payments.decide(FLOOD, 1, each_s)
        assert payments.shares.room == limits.PAYMENTS_ROOM_MAX


def test_the_room_becomes_what_is_decided_in_time(payments: Payments) -> None:
    """By half at a time at most; then what fits by Little's law, however full it was."""
    payments.fill(FLOOD)
    too_long_s = 3 * limits.PAYMENT_WAIT_S_MEAN
    payments.decide(FLOOD, 1, too_long_s)
    assert payments.shares.room == limits.PAYMENTS_ROOM_MAX // 2
    payments.decide(FLOOD, 1, too_long_s)
    assert payments.shares.room == (limits.PAYMENTS_ROOM_MAX - 1) // 3


def test_the_room_never_closes(payments: Payments) -> None:
    """A ledger that stood still is not punished for long."""
    payments.fill(FLOOD)
    for _ in range(10):
        payments.decide(FLOOD, 1, 60.0)
    assert payments.shares.room == limits.PAYMENTS_ROOM_MIN


def test_the_room_comes_back_when_it_is_missed(payments: Payments) -> None:
    """A little a window, up to where it began; without refusals there is no need."""
    payments.fill(FLOOD)
    for _ in range(10):
        payments.decide(FLOOD, 1, 60.0)
    while payments.shares.total > limits.PAYMENTS_ROOM_MIN:
        payments.decide(FLOOD, 1, 0.001)
    small = payments.shares.room
    payments.decide(FLOOD, 1, 0.001)
    payments.decide(FLOOD, 1, 0.001)
    assert payments.shares.room == small
    rooms = []
    for _ in range(100):
        payments.fill(FLOOD)
        payments.decide(FLOOD, 10, 0.001)
        rooms.append(payments.shares.room)
    assert rooms == sorted(rooms)
    assert rooms[0] <= 1.2 * small
    assert rooms[-1] == limits.PAYMENTS_ROOM_MAX


def test_a_flood_leaves_others_their_share(payments: Payments) -> None:
    """Who has less than an equal share is taken on in a full room, and only as long."""
    payments.fill(FLOOD)
    taken = 0
    while payments.send(OTHER):
        taken += 1
    assert taken == limits.PAYMENTS_ROOM_MAX // 2
    assert not payments.send(FLOOD)
    third = 0
    while payments.send(3):
        third += 1
    assert third == -(-limits.PAYMENTS_ROOM_MAX // 3)


def test_a_refusal_says_when_to_come_back(payments: Payments) -> None:
    """It is the switch that is full, not the sender that is to blame."""
    payments.fill(FLOOD)
    refusal = payments.shares.refusal(FLOOD)
    assert refusal is not None
    assert refusal.name == "overloaded"
    assert refusal.retry_after_s
    assert payments.shares.total == limits.PAYMENTS_ROOM_MAX, "asking takes nothing"
