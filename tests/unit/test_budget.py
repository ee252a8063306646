"""Budgets: failures run out and come back, work is counted in and out, and both are bounded."""

import pytest

from switch import limits
from switch.budget import FailureBudget, InFlight, RateBudget
from switch.clock import Clock


class StandingClock(Clock):
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def monotonic_s(self) -> float:
        """Where it was set."""
        return self.at_s


@pytest.fixture
def no_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exhausted pairs have nothing more to draw on."""
    monkeypatch.setattr(limits, "SPARE_VERIFICATIONS_BURST", 0.0)


@pytest.mark.usefixtures("no_spare")
def test_failures_run_out_and_come_back() -> None:
    """A burst of failures is borne; then the pair is refused until time has refilled its bucket."""
    clock = StandingClock()
    budget = FailureBudget(clock)
    for _ in range(limits.FAILED_SIGNATURES_BURST):
        assert budget.enter("10.0.0.1", "a/1") is None
        budget.charge("10.0.0.1", "a/1")
    refusal = budget.enter("10.0.0.1", "a/1")
    assert refusal is not None
    assert refusal.name == "too-many-requests"
    assert refusal.retry_after_s
    clock.at_s += 1.5 / limits.FAILED_SIGNATURES_PER_S
    assert budget.enter("10.0.0.1", "a/1") is None


@pytest.mark.usefixtures("no_spare")
def test_a_budget_is_of_one_peer_and_one_key() -> None:
    """Who fails takes nothing from the same key elsewhere, nor from another key here."""
    budget = FailureBudget(StandingClock())
    for _ in range(limits.FAILED_SIGNATURES_BURST + 1):
        budget.charge("10.0.0.1", "a/1")
    assert budget.enter("10.0.0.1", "a/1") is not None
    assert budget.enter("10.0.0.2", "a/1") is None
    assert budget.enter("10.0.0.1", "b/1") is None


@pytest.mark.usefixtures("no_spare")
def test_a_long_quiet_bucket_holds_one_burst_only() -> None:
    """Time refills a bucket to its brim, not beyond."""
    clock = StandingClock()
    budget = FailureBudget(clock)
    budget.charge("10.0.0.1", "a/1")
    clock.at_s += 1e6
    for _ in range(limits.FAILED_SIGNATURES_BURST):
        budget.charge("10.0.0.1", "a/1")
    assert budget.enter("10.0.0.1", "a/1") is not None


def test_the_map_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pair that failed longest ago is forgotten first."""
    monkeypatch.setattr(limits, "SPARE_VERIFICATIONS_BURST", 0.0)
    monkeypatch.setattr(limits, "FAILED_SIGNATURE_ENTRIES_MAX", 2)
    budget = FailureBudget(StandingClock())
    for _ in range(limits.FAILED_SIGNATURES_BURST):
        budget.charge("10.0.0.1", "a/1")
    budget.charge("10.0.0.2", "a/1")
    budget.charge("10.0.0.1", "a/1")
    budget.charge("10.0.0.3", "a/1")
    assert budget.enter("10.0.0.1", "a/1") is not None, "the most recent but one is kept"
    assert len(budget._buckets) == 2


def test_exhausted_pairs_share_what_is_spare() -> None:
    """They are verified at a bounded rate, all together; idle time saves up one burst only."""
    clock = StandingClock()
    budget = FailureBudget(clock)
    pairs = [("10.0.0.1", "a/1"), ("10.0.0.1", "b/1")]
    for pair in pairs * limits.FAILED_SIGNATURES_BURST:
        budget.charge(*pair)

    def verified() -> int:
        let = 0
        for number in range(10_000):
            let += budget.enter(*pairs[number % 2]) is None
            budget.charge(*pairs[number % 2])
        return let

    assert verified() == limits.SPARE_VERIFICATIONS_BURST
    clock.at_s += 0.0625
    assert verified() == int(0.0625 * limits.SPARE_VERIFICATIONS_PER_S)
    clock.at_s += 1e6
    for pair in pairs * limits.FAILED_SIGNATURES_BURST:
        budget.charge(*pair)
    assert verified() == limits.SPARE_VERIFICATIONS_BURST
    assert budget.enter("10.0.0.1", "c/1") is None, "who did not fail draws on nothing"


def test_work_in_flight_is_bounded_for_each_and_for_all() -> None:
    """One participant is told 429 at its bound, all together 503; who leaves makes room."""
    in_flight = InFlight(total_max=3, each_max=2)
    assert in_flight.enter(1) is None
    assert in_flight.enter(1) is None
    refusal = in_flight.enter(1)
    assert refusal is not None
    assert refusal.status == 429
    assert in_flight.enter(2) is None
    refusal = in_flight.enter(3)
    assert refusal is not None
    assert refusal.status == 503
    assert refusal.retry_after_s
    in_flight.leave(1)
    assert in_flight.enter(3) is None
    for participant_no in (1, 2, 3):
        in_flight.leave(participant_no)
    assert in_flight.total == 0
    assert in_flight._each == {}, "nothing is remembered of who has nothing here"


def test_a_rate_is_kept_in_bursts() -> None:
    """Twice a second's worth at once, then as fast as time allows; a refusal costs nothing."""
    clock = StandingClock()
    budget = RateBudget(clock, per_s=5.0)
    assert [budget.enter("a") is None for _ in range(12)] == [True] * 10 + [False] * 2
    clock.at_s += 0.2
    assert [budget.enter("a") is None for _ in range(2)] == [True, False]
    clock.at_s += 1e6
    assert [budget.enter("a") is None for _ in range(11)] == [True] * 10 + [False]


def test_what_a_forger_took_is_given_back() -> None:
    """Never more than the burst, and nothing for whom nobody asked."""
    budget = RateBudget(StandingClock(), per_s=1.0)
    for _ in range(5):
        assert budget.enter("a") is None
        budget.give_back("a")
    budget.give_back("a")
    budget.give_back("b")
    assert [budget.enter("a") is None for _ in range(3)] == [True, True, False]


def test_to_ask_whether_one_is_left_takes_none() -> None:
    """The same refusal beforehand as when it is taken."""
    clock = StandingClock()
    budget = RateBudget(clock, per_s=1.0)
    assert [budget.refusal("a") for _ in range(5)] == [None] * 5
    assert [budget.enter("a") for _ in range(2)] == [None] * 2
    assert budget.refusal("a") == budget.enter("a") is not None
    clock.at_s += 1.0
    assert budget.refusal("a") is None


def test_a_rate_is_of_one_sender() -> None:
    """Whoever asks too often takes nothing from anybody else, and is told when to come again."""
    budget = RateBudget(StandingClock(), per_s=1.0)
    refusal = [budget.enter(("10.0.0.1", "a/1")) for _ in range(3)][-1]
    assert refusal is not None
    assert (refusal.name, refusal.retry_after_s) == ("too-many-requests", limits.RETRY_AFTER_S)
    assert budget.enter(("10.0.0.2", "a/1")) is None
    assert budget.enter(("10.0.0.1", "b/1")) is None


def test_senders_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many senders there are, the least recent is forgotten and begins anew."""
    monkeypatch.setattr(limits, "RATE_ENTRIES_MAX", 2)
    budget = RateBudget(StandingClock(), per_s=0.5)
    assert [budget.enter(sender) is None for sender in ("a", "a")] == [True, False]
    assert [budget.enter(sender) is None for sender in ("b", "c", "a")] == [True] * 3
