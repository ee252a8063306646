"""Questions that are asked at many points: each point is measured, accounted for and kept."""

import shutil
from itertools import pairwise
from uuid import uuid4

import pytest
from rich.console import Console

from bench import kept
from bench.batches import BatchOrder
from bench.city import Provider
from bench.harness import Measurement, Results
from bench.sweep import Point, walk
from switch.batch_message import decode_batch
from switch.message import PaymentRequest, decode_payment
from tests.conftest import missing
from tests.integration.test_bench import Line, ratios, run_bench


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What a small run keeps of all of them."""
    if shutil.which("wrk") is None:
        missing("wrk")
    only = [argument for name in NAMES for argument in ("--only", name)]
    return run_bench(tmp_path_factory.mktemp("sweeps"), *only, "--rounds", "1")


NAMES = ("batches", "curve")


def points(lines: list[Line], name: str) -> list[Point]:
    """Where a question was asked, in order; at each point something was seen."""
    found = [line for line in lines if line.get("question") == name and "at" in line]
    assert all(line["per_second"] > 0 for line in found)
    return [line["at"] for line in found]


def test_batches_are_measured_by_their_payments(lines: list[Line]) -> None:
    """A batch that is answered is so many payments in the ledger."""
    sizes = {10: "batches-10", 100: "batches-100", 1_000: "batches-1000"}
    rounds = {line["question"]: line for line in lines if "round" in line}
    for size, name in sizes.items():
        decided = rounds[name]["seen"]["decided"]
        assert decided > 0
        assert decided % size == 0


def test_a_curve_has_its_ends_and_its_middle(lines: list[Line]) -> None:
    """In a small run; percentiles rise with the share that they are of."""
    assert points(lines, "curve") == [{"load_percent": load} for load in (10, 50, 120)]
    for line in lines:
        if line.get("question") == "curve" and "at" in line:
            shares = [line["seen"][f"{share}_ms"] for share in ("p50", "p95", "p99", "p999")]
            assert all(one <= other for one, other in pairwise(shares))
    assert ratios(lines, "curve") == [
        ("curve at 50 %: p99 ÷ p50", "≤ 4", 1),
        ("curve at 50 %: p99 in ms", "≤ 15", 1),
    ]


@pytest.mark.asyncio
async def test_points_are_visited_either_way_round() -> None:
    """Every second round backwards, so that a drift of the machine meets all alike."""
    visited: list[int] = []

    async def measure(at: Point) -> Measurement:
        visited.append(at["n"])
        return Measurement(per_second=1.0, seen={})

    for round_no in (1, 2):
        where = [{"n": 1}, {"n": 2}]
        await walk("x", round_no, where, measure, Results(None, {}), Console(quiet=True))
    assert visited == [1, 2, 2, 1]


def test_a_batch_is_what_the_switch_reads() -> None:
    """Every payment of it, with a key of its own; all messages are of one length."""
    purse = Provider(id="purse", number=1, seed=bytes(32), wallets=(uuid4(), uuid4()))
    order = BatchOrder(
        authority="127.0.0.1:8080",
        providers=[purse],
        payees=[uuid4()],
        payments=10,
        count=3,
        key_prefix="batch",
    )
    messages = list(order.messages())
    assert len({len(message) for message in messages}) == 1
    keys = set()
    for message in messages:
        bound, body = kept.read_message(message)
        assert bound.path == "/v1/payments/batch"
        payments = decode_batch(body)
        assert isinstance(payments, list)
        assert all(isinstance(decode_payment(bytes(p.body)), PaymentRequest) for p in payments)
        keys |= {payment.key for payment in payments}
    assert len(keys) == 30
