"""The operator's page says what the program does."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from switch import limits
from switch.banks import Banks
from switch.config import Config
from switch.delivery import Delivery
from switch.jobs import Jobs
from switch.metrics import BankMetrics, DeliveryMetrics, JobMetrics

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "OPERATING.md").read_text()


def test_connections_of_a_worker_are_counted_as_they_are() -> None:
    """Its lanes, one for steps, one for the participants, and those of the look-ups."""
    beside = 2 + limits.READ_CONNECTIONS_MAX
    lanes = limits.LANE_COUNT
    assert f"| `--lanes` | {lanes} |" in PAGE
    assert f"it holds up to {beside} more" in PAGE
    assert f"at most {lanes + beside} a worker (with {lanes} lane" in PAGE


def test_connections_of_the_other_processes_are_counted_as_they_are(tmp_path: Path) -> None:
    """One for each loop, and those with which the delivery and the banks record results."""
    config = Config(authorities=("a",), database_url="", key_dir=tmp_path)
    jobs = len(Jobs(config, JobMetrics(CollectorRegistry())).jobs)
    delivery = len(Delivery(config, DeliveryMetrics(CollectorRegistry())).jobs)
    delivery += limits.DELIVERY_CONNECTIONS_MAX
    banks = len(Banks(config, BankMetrics(CollectorRegistry())).jobs)
    banks += limits.BANK_CONNECTIONS_MAX
    assert f"{jobs} for the jobs, {delivery} for the delivery, {banks} for the banks" in PAGE


def test_limits_of_banks_are_told_as_they_are() -> None:
    """How many calls and payments, and how long."""
    assert f"at most {limits.BANK_CALLS_MAX} calls under way" in PAGE
    assert f"together have at most {limits.BANK_CALLS_IN_FLIGHT_MAX:,}" in PAGE
    bounds = f"from {limits.BANK_DEADLINE_S_MIN:g} to {limits.BANK_DEADLINE_S_MAX:g}"
    assert f"| `--bank-deadline` | {limits.BANK_DEADLINE_S:g} s |" in PAGE
    assert bounds in PAGE
    assert limits.BANK_FAILURES_MAX == 5, "the page says: five times in a row"
