"""Questions that are asked at many points: each point is measured, accounted for and kept."""

import shutil
from itertools import pairwise
from uuid import uuid4

import pytest
from rich.console import Console

from bench import kept
from bench.batches import BatchOrder
from bench.city import Holder, Provider
from bench.function import Mix, Task, batches
from bench.harness import Measurement, Results
from bench.holds import CaptureOrder
from bench.http_grid import Floors, split
from bench.sweep import Point, walk
from switch.batch_message import decode_batch
from switch.message import CaptureRequest, PaymentRequest, decode_capture, decode_payment
from tests.conftest import missing
from tests.integration.test_bench import Line, asked, ratios


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """What a small run keeps of batches and the curve."""
    if shutil.which("wrk") is None:
        missing("wrk")
    return asked(tmp_path_factory.mktemp("sweeps"), "batches", "curve")


@pytest.fixture(scope="module")
def more_lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """And of all others: two runs, so that none takes too long."""
    if shutil.which("wrk") is None:
        missing("wrk")
    return asked(tmp_path_factory.mktemp("sweeps"), "holds", "http-grid", "ledger")


def points(lines: list[Line], name: str) -> list[Point]:
    """Where a question was asked, in order."""
    return [line["at"] for line in lines if line.get("question") == name and "at" in line]


def test_batches_are_measured_by_their_payments(lines: list[Line]) -> None:
    """A batch that is answered is so many payments in the ledger."""
    sizes = {10: "batches-10", 100: "batches-100", 1_000: "batches-1000"}
    rounds = {line["question"]: line for line in lines if "round" in line}
    for size, name in sizes.items():
        decided = rounds[name]["seen"]["decided"]
        assert decided > 0
        assert decided % size == 0


def test_a_curve_has_its_middle_and_its_end(lines: list[Line]) -> None:
    """In a small run; percentiles rise with the share that they are of."""
    assert points(lines, "curve") == [{"load_percent": load} for load in (50, 120)]
    for line in lines:
        if line.get("question") == "curve" and "at" in line:
            shares = [line["seen"][f"{share}_ms"] for share in ("p50", "p95", "p99", "p999")]
            assert all(one <= other for one, other in pairwise(shares))
    assert ratios(lines, "curve") == [
        ("curve at 50 %: p99 ÷ p50", "≤ 4", 1),
        ("curve at 50 %: p99 in ms", "≤ 15", 1),
    ]


@pytest.mark.long
def test_holds_are_captured(more_lines: list[Line]) -> None:
    """A pair takes longer than either of its halves, and each half costs processor time."""
    (line,) = (line for line in more_lines if line.get("question") == "holds")
    seen = line["seen"]
    assert 0 < line["per_second"] < min(seen["holds_per_s"], seen["captures_per_s"])
    assert seen["hold_worker_us"] > 0
    assert seen["capture_worker_us"] > 0


@pytest.mark.long
def test_processor_time_is_split_at_every_corner_of_the_grid(more_lines: list[Line]) -> None:
    """Signature, HTTP and the rest make up the workers' time."""
    corners = [{"workers": workers, "connections": 256} for workers in (1, 2)]
    assert points(more_lines, "http-grid") == corners
    for line in more_lines:
        if line.get("question") == "http-grid":
            seen = line["seen"]
            parts = seen["signature_us"] + seen["post_us"] + seen["rest_us"]
            assert parts == pytest.approx(seen["worker_us"], abs=0.2)
    assert ratios(more_lines, "http-grid") == [("http-grid: the switch's own share", "≤ 0.35", 1)]


@pytest.mark.long
def test_the_deciding_function_is_asked_at_every_corner(more_lines: list[Line]) -> None:
    """Smallest and largest batches, hot accounts and none, one connection and four."""
    names = ("batch_size", "hot_payee_percent", "hot_payer_percent", "connections")
    corners = [(1, 0, 0, 1), (256, 100, 10, 4)]
    assert points(more_lines, "ledger") == [dict(zip(names, one, strict=True)) for one in corners]


def test_hot_accounts_get_their_share() -> None:
    """Of 2,000 orders by a known seed; all of them from and to accounts that are there."""
    wallets = [uuid4() for _ in range(20)]
    purses = [
        Provider(id=f"purse-{n}", number=n, seed=bytes(32), wallets=tuple(wallets[n::2]))
        for n in range(2)
    ]
    shops = [uuid4() for _ in range(20)]
    mix = Mix(batch_size=8, hot_payee_percent=50, hot_payer_percent=10, hot_payer_no=3)
    task = Task(
        url="",
        providers=purses,
        payees=shops,
        share=(0, 1),
        order_count=2_000,
        seconds=1.0,
        key_prefix="seed",
        mix=mix,
        is_made_before=True,
    )
    made = list(batches(task))
    assert {len(batch) for batch in made} == {8}
    asked_for = [order.request for batch in made for order in batch]
    assert 900 < sum(one.payee == shops[0] for one in asked_for) < 1_150
    assert 230 < sum(one.payer == wallets[3] for one in asked_for) < 370
    assert {one.payer for one in asked_for} == set(wallets)


def test_every_hold_is_captured_by_its_payee() -> None:
    """Once, under a key of its own, in messages of one length."""
    shops = [Holder(id=f"shop-{n}", number=n, seed=bytes(32)) for n in range(2)]
    holds = [(uuid4(), shops[n % 2]) for n in range(4)]
    order = CaptureOrder(authority="127.0.0.1:8080", holds=holds, key_prefix="capture")
    messages = list(order.messages())
    assert len({len(message) for message in messages}) == 1
    read = [kept.read_message(message) for message in messages]
    assert [bound.path for bound, _ in read] == [f"/v1/payments/{id_}/capture" for id_, _ in holds]
    assert len({bound.idempotency_key for bound, _ in read}) == order.count == 4
    assert all(f'keyid="{shop.key_id}"'.encode() in message
               for (_, shop), message in zip(holds, messages, strict=True))  # fmt: skip
    assert all(isinstance(decode_capture(body), CaptureRequest) for _, body in read)


def test_the_rest_is_what_no_floor_explains() -> None:
    """Of the processor time of workers and Postgres together."""
    seen = {"worker_us": 300, "postgres_us": 100}
    found = split(
        Measurement(per_second=1.0, seen=seen), Floors(signature_us=100.0, post_us=60.0)
    ).seen
    assert (found["rest_us"], found["rest_share"]) == (140.0, 0.35)


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
