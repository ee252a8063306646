"""What the switch counts about itself, for Prometheus: one set for each kind of process.

With `PROMETHEUS_MULTIPROC_DIR` set (the supervisor does, before a child starts) every value lives
in a mapped file, and touching it costs one to four microseconds. The path of a payment touches six,
so a worker counts in plain integers (`Tally`, `Timing`) and hands the sums over a few times a
second.

Names start with `switch_` and end in their base unit. Labels have few values, all known beforehand;
nothing that a participant sends becomes one. A participant is named by a label while it is one of
the first that were let in: so all processes and machines name the same ones, and a process that is
started again too.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from switch import limits

SECONDS = tuple(0.0001 * 2**step for step in range(18))  # 0.1 ms to 13 s
SIGNATURE_SECONDS = tuple(0.00001 * 2**step for step in range(12))  # 10 µs to 20 ms
BATCH_MESSAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

# Shown as 0 from the start: a counter that appears with its first failure shows Prometheus no
# growth, and an alarm would miss it.
LEDGER_FAILURES = ("unavailable", "unknown", "refused")
REFUSALS = ("429", "503", "504")

# Beside participants' ids, which have no underscore.
OTHER = "_other"  # whoever has no label of its own
UNKNOWN = "_unknown"  # whoever names no key that is registered


def participant_label(number: int, participant: str) -> str:
    """The value of the label `participant`: its id, or that of all who were let in later."""
    return participant if number <= limits.PARTICIPANT_LABELS_MAX else OTHER


class Tally:
    """A counter with labels, counted in memory until `flush`."""

    __slots__ = ("_children", "_counter", "_counts")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._children: dict[tuple[str, ...], Counter] = {}  # found once, by their labels
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, labels: tuple[str, ...], count: int = 1) -> None:
        """Count something under the values of its labels."""
        counts = self._counts
        counts[labels] = counts.get(labels, 0) + count

    def flush(self) -> None:
        """Hand the sums over to Prometheus."""
        counts, self._counts = self._counts, {}
        for labels, count in counts.items():
            child = self._children.get(labels)
            if child is None:
                child = self._children[labels] = self._counter.labels(*labels)
            child.inc(count)


class Timing:
    """A histogram without labels, filled in memory until `flush`."""

    __slots__ = ("_bounds", "_counts", "_histogram", "_sum")

    def __init__(self, histogram: Histogram, bounds: Sequence[float]) -> None:
        self._histogram = histogram
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def flush(self) -> None:
        """Hand the sums over; `observe` of Prometheus takes one value at a time, so its parts."""
        for bucket, count in enumerate(self._counts):
            if count:
                self._histogram._buckets[bucket].inc(count)
                self._counts[bucket] = 0
        if self._sum:
            self._histogram._sum.inc(self._sum)
            self._sum = 0.0


class ByParticipant:
    """A gauge by participant that is set for all of them at once; who is not named has 0."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._sums: dict[str, float] = {}  # by label, as shown last

    def show(self, values: Iterable[tuple[str, float]]) -> None:
        """Show what belongs to each label; what is given twice for one is added up."""
        self._sums = dict.fromkeys(self._sums, 0.0)
        for label, value in values:
            self._sums[label] = self._sums.get(label, 0.0) + value
        for label, value in self._sums.items():
            self._gauge.labels(label).set(value)


class WorkerMetrics:
    """Everything one worker counts. `flush` is called a few times a second and before it ends."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._buffered: list[Tally | Timing] = []
        self._count(registry)
        self._time(registry)
        self._measure(registry)
        self._show_failures()

    def _count(self, registry: CollectorRegistry) -> None:
        def tally(name: str, what: str, labels: Sequence[str]) -> Tally:
            made = Tally(Counter(name, what, labels, registry=registry))
            self._buffered.append(made)
            return made

        self.requests = tally(
            "switch_requests_total", "Answers by endpoint and HTTP status", ("endpoint", "status")
        )
        self.decisions = tally(
            "switch_decisions_total",
            "First answers to payments, by who sent them and outcome",
            ("participant", "outcome"),
        )
        self.refusals = tally(
            "switch_refusals_total",
            "Requests, and payments in batches, that were refused, by who sent them and problem",
            ("participant", "problem"),
        )
        self.replays = tally(
            "switch_replays_total", "Answers that repeated a stored decision", ("operation",)
        )
        self.batch_payments = tally(
            "switch_batch_payments_total",
            "Payments in participants' batches, by the HTTP status of their answer",
            ("status",),
        )
        self.signature_failures = tally(
            "switch_signature_failures_total",
            "Requests not verified, by whose key they name and problem",
            ("participant", "problem"),
        )
        self.ledger_failures = tally(
            "switch_ledger_failures_total", "Batches that failed, by what is known", ("kind",)
        )
        self.reconnects = tally(
            "switch_reconnects_total", "Connections to the database made anew", ("room",)
        )
        self.faults = tally(
            "switch_faults_total", "Unhandled exceptions, by endpoint", ("endpoint",)
        )

    def _time(self, registry: CollectorRegistry) -> None:
        def timing(name: str, what: str, bounds: Sequence[float]) -> Timing:
            made = Timing(Histogram(name, what, buckets=bounds, registry=registry), bounds)
            self._buffered.append(made)
            return made

        self.payment_seconds = timing(
            "switch_payment_seconds", "A payment from its headers to its verdict", SECONDS
        )
        self.body_seconds = timing(
            "switch_body_seconds", "Waiting for the body of a request", SECONDS
        )
        self.waiting_seconds = timing(
            "switch_waiting_seconds", "A payment in the queue of its lane", SECONDS
        )
        self.working_seconds = timing(
            "switch_working_seconds", "One call of the deciding function, round trip", SECONDS
        )
        self.signature_seconds = timing(
            "switch_signature_seconds", "Verifying one signature", SIGNATURE_SECONDS
        )
        self.pending_seconds = timing(
            "switch_pending_seconds", "A caller's wait for what a bank decides", SECONDS
        )
        self.sealing_seconds = timing(
            "switch_sealing_seconds", "Signing one answer", SIGNATURE_SECONDS
        )
        self.late_seconds = timing(
            "switch_late_seconds", "How late a worker came to what was due, a sample", SECONDS
        )
        self.batch_messages = timing(
            "switch_batch_messages", "Payments decided by one call", BATCH_MESSAGES
        )

    def _measure(self, registry: CollectorRegistry) -> None:
        self.queue_messages = _gauge(
            registry, "switch_queue_messages", "Payments waiting in the lanes", "livesum"
        )
        self.in_flight_messages = _gauge(
            registry, "switch_in_flight_messages", "Payments accepted, not answered", "livesum"
        )
        self.pending_messages = _gauge(
            registry, "switch_pending_messages", "Messages whose callers wait for banks", "livesum"
        )
        self.connections = _gauge(registry, "switch_connections", "Open connections", "livesum")
        self.snapshot_age_seconds = _gauge(
            registry,
            "switch_snapshot_age_seconds",
            "Since the participants' snapshot was confirmed, the oldest of all workers",
            "livemax",
        )
        self.clock_apart_seconds = _gauge(
            registry,
            "switch_clock_apart_seconds",
            "How far the clocks of a worker and the database differ at least, the most of all",
            "livemax",
        )

    def _show_failures(self) -> None:
        for kind in LEDGER_FAILURES:
            self.ledger_failures.add((kind,), 0)
        for status in REFUSALS:
            self.batch_payments.add((status,), 0)

    def show_endpoint(self, name: str) -> None:
        """Count an endpoint's failures from 0 on."""
        self.faults.add((name,), 0)
        for status in REFUSALS:
            self.requests.add((name, status), 0)

    def flush(self) -> None:
        """Hand over what was counted in memory."""
        for buffered in self._buffered:
            buffered.flush()


class JobMetrics:
    """Everything the jobs process counts; it works in steps of milliseconds and needs no buffer."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry  # where services' jobs register what they measure
        self.fold_lag_seconds = _gauge(
            registry,
            "switch_fold_lag_seconds",
            "Age of the oldest credit not yet added to its account",
            "livemostrecent",
        )
        self.unfolded_credits = _gauge(
            registry,
            "switch_unfolded_credits",
            "Credits not yet added to their accounts",
            "livemostrecent",
        )
        self.folded_credits = Counter(
            "switch_folded_credits_total", "Credits added to their accounts", registry=registry
        )
        self.sequenced_events = Counter(
            "switch_sequenced_events_total",
            "Changes of payments that have their number in the feeds",
            registry=registry,
        )
        self.event_lag_seconds = _gauge(
            registry,
            "switch_event_lag_seconds",
            "Age of the oldest event that has no number yet",
            "livemostrecent",
        )
        self.books_deviations = _gauge(
            registry,
            "switch_books_deviations",
            "What the last check of the books found wrong",
            "mostrecent",
        )
        self.books_checked_at = _gauge(
            registry,
            "switch_books_checked_timestamp_seconds",
            "When the books were checked last",
            "mostrecent",
        )
        self.failures = Counter(
            "switch_job_failures_total", "Runs of a job that failed", ("job",), registry=registry
        )
        self._measure_database(registry)

    def _measure_database(self, registry: CollectorRegistry) -> None:
        self.database_bytes = _gauge(
            registry, "switch_database_bytes", "Size of the database on disk", "livemostrecent"
        )
        self.wal_bytes = _gauge(
            registry,
            "switch_wal_bytes",
            "Write-ahead log written by the database server since it was made",
            "livemostrecent",
        )
        self.read_bytes = _gauge(
            registry,
            "switch_database_read_bytes",
            "What Postgres asked of the system because its own cache did not have it",
            "livemostrecent",
        )
        self.database_connections = _gauge(
            registry,
            "switch_database_connections",
            "Connections to the database, whoever has them",
            "livemostrecent",
        )
        self.commits = _gauge(
            registry,
            "switch_database_commits",
            "Transactions that the database has committed, look-ups included",
            "livemostrecent",
        )
        self.deadlocks = _gauge(
            registry,
            "switch_database_deadlocks",
            "Deadlocks that the database has broken",
            "livemostrecent",
        )


class DeliveryMetrics:
    """Everything the delivery process counts; a delivery takes milliseconds and needs no buffer."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.deliveries = Counter(
            "switch_deliveries_total",
            "Attempts to push an event, by to whom and what came of it",
            ("participant", "result"),
            registry=registry,
        )
        self.events_died = Counter(
            "switch_events_died_total", "Events that were given up", registry=registry
        )
        self.waiting_events = _by_participant(
            registry, "switch_waiting_events", "Events to push that are not taken yet"
        )
        self.dead_events = _by_participant(
            registry, "switch_dead_events", "Events that were given up and not replayed"
        )
        self.spared_receivers = _by_participant(
            registry,
            "switch_spared_receivers",
            "Callback URLs that failed several times in a row and get one event at a time",
        )
        self.failures = Counter(
            "switch_job_failures_total", "Runs of a job that failed", ("job",), registry=registry
        )


class BankMetrics:
    """Everything the banks process counts; a call takes milliseconds and needs no buffer.

    Banks are let in by the operator, so their ids are a bounded label.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.calls = Counter(
            "switch_bank_calls_total",
            "Attempts to call a bank, by what came of it",
            ("bank", "path", "result"),
            registry=registry,
        )
        self.call_seconds = Histogram(
            "switch_bank_call_seconds",
            "One attempt to call a bank",
            ("bank",),
            buckets=SECONDS,
            registry=registry,
        )
        self.timed_out = Counter(
            "switch_bank_time_outs_total",
            "Payments declined because a bank did not answer in time",
            registry=registry,
        )
        self.waiting_calls = Gauge(
            "switch_bank_waiting_calls",
            "Calls of a bank that are not finished",
            ("bank", "path"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.given_up_calls = Gauge(
            "switch_bank_given_up_calls",
            "Calls of a bank that the operator gave up: what it has done is to be settled with it",
            ("bank", "path"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.waiting_seconds = Gauge(
            "switch_bank_waiting_seconds",
            "Since the oldest call of a bank that is not finished was due",
            ("bank",),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.is_down = Gauge(
            "switch_bank_is_down",
            "1 while a bank failed so often that it gets one call at a time",
            ("bank",),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self.failures = Counter(
            "switch_job_failures_total", "Runs of a job that failed", ("job",), registry=registry
        )


def _gauge(registry: CollectorRegistry, name: str, what: str, over_processes: Any) -> Gauge:
    return Gauge(name, what, registry=registry, multiprocess_mode=over_processes)


def _by_participant(registry: CollectorRegistry, name: str, what: str) -> ByParticipant:
    # Of a process that is there: its successor may not know whom it has shown.
    mode: Any = "livemostrecent"
    return ByParticipant(
        Gauge(name, what, ("participant",), registry=registry, multiprocess_mode=mode)
    )
