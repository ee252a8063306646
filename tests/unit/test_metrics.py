"""Metrics: counting in memory comes to the same samples as counting in Prometheus."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from switch import limits
from switch.metrics import (
    BATCH_MESSAGES,
    OTHER,
    SECONDS,
    UNKNOWN,
    DeliveryMetrics,
    JobMetrics,
    Tally,
    Timing,
    WorkerMetrics,
    participant_label,
)
from switch.participants import Participant

PARTICIPANT_ID = re.compile(r"[a-z][a-z0-9-]{1,31}")  # as the ledger lets them in


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample by name and labels, save the times when metrics were made."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


def test_a_timing_comes_to_what_observing_each_value_would(seed: int) -> None:
    """Buckets, count and sum are those of Prometheus' own histogram, bounds included."""
    chance = random.Random(seed)
    values = [chance.expovariate(100) for _ in range(1000)]
    values += [*SECONDS, 0.0, 1e9]
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    timing = Timing(Histogram("h", "h", buckets=SECONDS, registry=ours), SECONDS)
    plain = Histogram("h", "h", buckets=SECONDS, registry=theirs)
    for number, value in enumerate(values):
        timing.observe(value)
        plain.observe(value)
        if number % 100 == 0:
            timing.flush()
    timing.flush()
    timing.flush()
    assert samples(ours).keys() == samples(theirs).keys()
    for name, value in samples(theirs).items():
        assert abs(samples(ours)[name] - value) < 1e-6 * max(1.0, value), name


def test_a_tally_hands_over_each_count_once() -> None:
    """Two flushes count nothing twice."""
    registry = CollectorRegistry()
    tally = Tally(Counter("c_total", "c", ("kind",), registry=registry))
    tally.add(("a",))
    tally.add(("a",), 2)
    tally.add(("b",))
    for _ in range(2):
        tally.flush()
    assert registry.get_sample_value("c_total", {"kind": "a"}) == 3
    assert registry.get_sample_value("c_total", {"kind": "b"}) == 1


def test_failures_are_shown_before_the_first_of_them() -> None:
    """A counter that appears with its first failure would show an alarm no growth."""
    registry = CollectorRegistry()
    metrics = WorkerMetrics(registry)
    metrics.show_endpoint("decide_payment")
    metrics.flush()
    for kind in ("unavailable", "unknown", "refused"):
        assert registry.get_sample_value("switch_ledger_failures_total", {"kind": kind}) == 0
    for status in ("429", "503", "504"):
        labels = {"status": status}
        assert registry.get_sample_value("switch_batch_payments_total", labels) == 0
        labels["endpoint"] = "decide_payment"
        assert registry.get_sample_value("switch_requests_total", labels) == 0
    assert registry.get_sample_value("switch_faults_total", {"endpoint": "decide_payment"}) == 0


def test_names_say_whose_they_are_and_end_in_their_unit() -> None:
    """Every metric starts with `switch_` and ends in a base unit or what it counts."""
    registry = CollectorRegistry()
    WorkerMetrics(registry)
    JobMetrics(registry)
    ends = ("_seconds", "_messages", "_connections", "_credits", "_deviations", "_bytes")
    ends += ("_commits", "_deadlocks")
    for metric in registry.collect():
        assert metric.name.startswith("switch_")
        if metric.type != "counter":  # its samples end in _total
            assert metric.name.endswith(ends), metric.name
    assert BATCH_MESSAGES[-1] == 256


def test_only_the_first_participants_have_a_label_of_their_own() -> None:
    """However many there are, the labels are so many and one, and nobody can be called like it."""
    count = limits.PARTICIPANT_LABELS_MAX + 50
    labels = {
        Participant(number=number, id=f"wallet-{number}", kind="wallet", is_suspended=False).label
        for number in range(1, count + 1)
    }
    assert len(labels) == limits.PARTICIPANT_LABELS_MAX + 1
    assert f"wallet-{limits.PARTICIPANT_LABELS_MAX}" in labels
    assert f"wallet-{limits.PARTICIPANT_LABELS_MAX + 1}" not in labels
    for shared in (OTHER, UNKNOWN):
        assert PARTICIPANT_ID.fullmatch(shared) is None


def test_a_gauge_by_participant_is_shown_as_a_whole() -> None:
    """Who shares a label is added up; whose value is gone has 0, so that no alarm stays."""
    registry = CollectorRegistry()
    waiting = DeliveryMetrics(registry).waiting_events
    last = limits.PARTICIPANT_LABELS_MAX

    def shown() -> dict[str, float]:
        [metric] = [one for one in registry.collect() if one.name == "switch_waiting_events"]
        return {sample.labels["participant"]: sample.value for sample in metric.samples}

    late = [(participant_label(number, f"late-{number}"), 2.0) for number in (last + 1, last + 2)]
    waiting.show([("shop", 3.0), *late])
    assert shown() == {"shop": 3, OTHER: 4}
    waiting.show([("shop", 1.0), *late[:1]])
    assert shown() == {"shop": 1, OTHER: 2}
    waiting.show([])
    assert shown() == {"shop": 0, OTHER: 0}


def test_samples_of_several_processes_add_up(tmp_path: Path) -> None:
    """With the supervisor's folder set, each process writes files that one collector reads."""
    program = (
        "import sys\n"
        "from switch.metrics import WorkerMetrics\n"
        "metrics = WorkerMetrics()\n"
        "metrics.waiting_seconds.observe(0.001)\n"
        "metrics.requests.add(('x', '200'), 2)\n"
        "metrics.queue_messages.set(3)\n"
        "metrics.flush()\n"
    )
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    read = (
        "from prometheus_client import CollectorRegistry, generate_latest\n"
        "from prometheus_client.multiprocess import MultiProcessCollector\n"
        "registry = CollectorRegistry()\n"
        "MultiProcessCollector(registry)\n"
        "print(generate_latest(registry).decode())\n"
    )
    text = subprocess.run(
        [sys.executable, "-c", read], env=environment, check=True, timeout=60, capture_output=True
    ).stdout.decode()
    assert 'switch_requests_total{endpoint="x",status="200"} 4.0' in text
    assert "switch_waiting_seconds_count 2.0" in text
    assert "switch_queue_messages 6.0" in text
    assert generate_latest(CollectorRegistry()) == b""


def test_logs_are_json_lines_without_local_variables() -> None:
    """A traceback shows where, never with which values; other libraries' records look the same."""
    program = (
        "import logging\n"
        "from switch import log\n"
        "log.configure(level='info', process='worker-1')\n"
        "logger = log.logger('here')\n"
        "logger.debug('not said')\n"
        "logger.info('said', batch_messages=3)\n"
        "def fault(password):\n"
        "    raise ValueError('broken')\n"
        "try:\n"
        "    fault('hunter2')\n"
        "except ValueError:\n"
        "    logger.exception('fault')\n"
        "logging.getLogger('aiohttp.server').error('theirs')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], check=True, timeout=60, capture_output=True
    )
    lines = [json.loads(line) for line in finished.stderr.decode().splitlines()]
    assert [line["event"] for line in lines] == ["said", "fault", "theirs"]
    assert lines[0]["batch_messages"] == 3
    assert {line["process"] for line in lines} == {"worker-1"}
    assert [line["level"] for line in lines] == ["info", "error", "error"]
    assert "ValueError: broken" in lines[1]["exception"]
    assert "hunter2" not in lines[1]["exception"]
    assert finished.stdout == b""
