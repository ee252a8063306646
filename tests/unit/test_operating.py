"""The operator's page says what the program does."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from switch import limits
from switch.admin_port import ProcessCollector
from switch.banks import Banks
from switch.cluster import SETTINGS
from switch.config import Config
from switch.delivery import Delivery
from switch.jobs import Jobs
from switch.metrics import (
    OTHER,
    UNKNOWN,
    BankMetrics,
    DeliveryMetrics,
    JobMetrics,
    WorkerMetrics,
)
from switch.services import SERVICES

SUPERUSERS = 3  # connections that Postgres keeps for them, unless told
METRIC = re.compile(r"`(switch_[a-z_]+)`")
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "OPERATING.md").read_text()


def test_connections_of_a_worker_are_counted_as_they_are() -> None:
    """Its lanes, one for steps, one for the participants, and those of the look-ups."""
    beside = 2 + limits.READ_CONNECTIONS_MAX
    lanes = limits.LANE_COUNT
    assert f"| `--lanes` | {lanes} |" in PAGE
    assert f"it holds up to {beside} more" in PAGE
    assert f"at most {lanes + beside} a worker (with {lanes} lane" in PAGE


def test_connections_of_the_other_processes_are_counted_as_they_are(tmp_path: Path) -> None:
    """One for each loop, and those with which the delivery and the banks record results.

    Fewer where a service is not there.
    """
    config = Config(authorities=("a",), database_url="", key_dir=tmp_path)
    jobs = len(Jobs(config, JobMetrics(CollectorRegistry()), services=SERVICES).jobs)
    delivery = len(Delivery(config, DeliveryMetrics(CollectorRegistry())).jobs)
    delivery += limits.DELIVERY_CONNECTIONS_MAX
    banks = len(Banks(config, BankMetrics(CollectorRegistry())).jobs)
    banks += limits.BANK_CONNECTIONS_MAX
    found = re.search(rf"(\d+) for the jobs, {delivery} for the delivery, {banks} for the", PAGE)
    assert found is not None
    assert int(found[1]) >= jobs


def test_every_metric_is_in_the_page_and_no_other() -> None:
    """By the name under which Prometheus has it."""
    made = [*ProcessCollector([]).collect()]
    for metrics in (WorkerMetrics, JobMetrics, DeliveryMetrics, BankMetrics):
        registry = CollectorRegistry()
        metrics(registry)
        made += registry.collect()
    names = {f"{one.name}_total" if one.type == "counter" else one.name for one in made}
    tables = PAGE[PAGE.index("### What is measured") : PAGE.index("## Run book")]
    told = {name for line in tables.splitlines() for name in METRIC.findall(line.split(" | ")[0])}
    assert told == names
    assert f"The first {limits.PARTICIPANT_LABELS_MAX} participants" in PAGE
    assert f"share `{OTHER}`" in PAGE
    assert f"`{UNKNOWN}`" in PAGE


def test_a_machine_is_sized_by_the_limits_that_there_are() -> None:
    """What the page computes follows from the settings and limits of today."""
    of_worker = limits.LANE_COUNT + 2 + limits.READ_CONNECTIONS_MAX
    assert f"{of_worker} connections a worker" in PAGE
    found = re.search(r"(\d+) for the jobs, (\d+) for the delivery, (\d+) for the banks", PAGE)
    assert found is not None
    beside = sum(map(int, found.groups()))
    assert f"{of_worker} for each worker of all machines, {beside} for one set" in PAGE
    connections = int(SETTINGS["max_connections"]) - SUPERUSERS
    assert (
        f"| {connections + SUPERUSERS}, enough for {(connections - beside) // of_worker} " in PAGE
    )
    assert SETTINGS["shared_buffers"] == "256MB"
    assert SETTINGS["max_wal_size"] == "4GB"
    assert limits.FOLD_SIZE_MAX == 2_000
    assert f"then a pause of {limits.FOLD_PAUSE_S * 1000:g}" in PAGE
    pushed = limits.DELIVERIES_AT_ONCE_MAX
    assert f"has {pushed} new events under way" in PAGE
    assert f"answers in 10 ms takes {pushed * 100:,} a second" in PAGE
    assert f"{limits.DELIVERIES_IN_FLIGHT_MAX:,} in all" in PAGE
    assert f"{limits.BANK_CALLS_IN_FLIGHT_MAX:,} in all" in PAGE
    assert f"*Banks*: {limits.BANK_CALLS_MAX} calls under way to each" in PAGE
    assert f"somaxconn` of at least {limits.LISTEN_BACKLOG:,}" in PAGE
    assert f"a worker may have {limits.WORKER_CONNECTIONS_MAX:,} connections" in PAGE


def test_limits_of_banks_are_told_as_they_are() -> None:
    """How many calls and payments, and how long."""
    assert f"at most {limits.BANK_CALLS_MAX} calls under way" in PAGE
    assert f"together have at most {limits.BANK_CALLS_IN_FLIGHT_MAX:,}" in PAGE
    bounds = f"from {limits.BANK_DEADLINE_S_MIN:g} to {limits.BANK_DEADLINE_S_MAX:g}"
    assert f"| `--bank-deadline` | {limits.BANK_DEADLINE_S:g} s |" in PAGE
    assert bounds in PAGE
    assert limits.BANK_FAILURES_MAX == 5, "the page says: five times in a row"
