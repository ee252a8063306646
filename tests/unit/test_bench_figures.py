"""Figures of the benchmarks: shares of what was sent, ratios of pairs, and how sure a median is."""

import io
import itertools
from array import array
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from rich.console import Console

from bench import bank_routed, function, growth, kept, phase, requests
from bench.bank_routed import BankRouted
from bench.city import Holder, Provider
from bench.function import Mix, Task
from bench.growth import Footprint
from bench.harness import Measurement, Ratio, Results, conclude
from bench.http_uniform import HttpUniform
from bench.open_loop import ANSWER_WAIT_S, NO_ANSWER, Sent
from bench.pairs import CONFIDENCE, Compared, Target, bound_of_median, in_turn
from bench.requests import Order, Watch
from bench.stage import BenchError
from switch import keyfile
from switch.components import BoundRequest
from switch.keyfile import PublicKey
from switch.signature import sign_reply, signing_key

SEED = bytes(range(32))
SWITCH_KEY = signing_key("switch/2026-11", SEED)
KEYS = {"switch/2026-11": PublicKey(key_id="switch/2026-11", public_key=keyfile.public_key(SEED))}
AUTHORITY = "127.0.0.1:8080"
WALLET, SHOP = UUID(int=1), UUID(int=2)


def sent(statuses: Sequence[int], latencies_s: Sequence[float]) -> Sent:
    """Ten requests a second, the first second of which does not count."""
    return Sent(
        due_per_second=10.0,
        lead_in_s=1.0,
        seconds=(len(statuses) - 10) / 10,
        statuses=array("H", statuses),
        latencies_s=array("d", latencies_s),
        held_up_s=array("d", [0.001 * number for number in range(len(statuses))]),
        kept=(),
        processor_s=0.0,
    )


def test_the_lead_in_is_not_counted() -> None:
    """What was due before the clock ran is in no percentile; what came before it in no rate."""
    some = sent([201] * 30, [9.0] * 10 + [0.05] * 20)
    assert some.within_ms(0.99, 201) == pytest.approx(50)
    assert some.per_second(201) == 10.0
    early = sent([201] * 30, [0.0] * 30)
    assert early.per_second(201) == 10.0
    assert early.count() == {201: 30}


def test_an_answer_after_the_clock_is_in_no_rate_and_in_every_percentile() -> None:
    """A rate is of what came in time; who came meanwhile waited all the same."""
    some = sent([201] * 30, [0.0] * 25 + [2.0] * 5)
    assert some.per_second(201) == 7.5
    assert some.within_ms(0.99, 201) == pytest.approx(2_000)


def test_a_refused_request_was_never_decided() -> None:
    """However quickly: it counts as one that was answered when the waiting ended."""
    some = sent([201] * 28 + [429, NO_ANSWER], [0.01] * 29 + [ANSWER_WAIT_S])
    assert some.within_ms(0.5, 201) == pytest.approx(10)
    assert some.within_ms(0.9, 201) == pytest.approx(1e3 * ANSWER_WAIT_S)
    assert some.latency_ms(0.5, 429) == pytest.approx(10)
    assert some.latency_ms(0.5, 503) is None
    assert some.held_up_ms(0.99) == pytest.approx(29)


@pytest.mark.parametrize(
    ("decided", "approved", "fault"),
    [
        (28, 28, None),
        (30, 30, None),
        (27, 27, "28 payments were answered and 2 left in doubt; the ledger holds 27"),
        (31, 31, "28 payments were answered and 2 left in doubt; the ledger holds 31"),
        (28, 27, "1 payments were declined"),
    ],
)
def test_the_ledger_holds_what_was_answered(decided: int, approved: int, fault: str | None) -> None:
    """At least that, and at most what may have been decided without an answer beside it."""
    some = sent([201] * 28 + [504, NO_ANSWER] + [429] * 3, [0.0] * 33)
    if fault is None:
        phase.account(some, decided=decided, approved=approved)
        return
    with pytest.raises(BenchError, match=fault):
        phase.account(some, decided=decided, approved=approved)


def test_a_median_is_shown_with_a_bound_that_is_rarely_wrong() -> None:
    """Over all ways in which ratios fall on either side of the true median, which is 0 here."""
    for count in range(1, 13):
        wrong = {True: 0, False: 0}
        for signs in itertools.product((-1, 1), repeat=count):
            ratios = [sign * (1 + place / 10) for place, sign in enumerate(signs)]
            for is_lower in (True, False):
                bound = bound_of_median(ratios, is_lower=is_lower)
                wrong[is_lower] += bound is not None and (bound > 0 if is_lower else bound < 0)
        assert wrong[True] == wrong[False] <= (1 - CONFIDENCE) * 2**count
        assert (wrong[True] > 0) is (count >= 5), "fewer pairs give no bound, more give one"


def test_a_bound_leaves_out_as_many_as_it_may() -> None:
    """Of nine pairs it is the second worst, of twelve the third."""
    assert bound_of_median(range(1, 10), is_lower=True) == 2
    assert bound_of_median(range(1, 10), is_lower=False) == 8
    assert bound_of_median(range(1, 13), is_lower=True) == 3
    assert bound_of_median([1.0] * 4, is_lower=True) is None


def test_pairs_are_measured_either_way_round() -> None:
    """A B, B A, A B …"""
    turns = [in_turn(number, "a", "b") for number in (1, 2, 3)]
    assert turns == [("a", "b"), ("b", "a"), ("a", "b")]


@pytest.mark.parametrize(
    ("ratios", "is_floor", "verdict"),
    [
        ([0.9] * 9, True, "yes"),
        ([0.9] * 7 + [0.8] * 2, True, "by the median alone"),
        ([0.9] * 4, True, "by the median alone"),
        ([0.9] * 4 + [0.8] * 5, True, "no"),
        ([0.8] * 9, False, "yes"),
        ([0.8] * 7 + [0.9] * 2, False, "by the median alone"),
        ([0.8] * 4 + [0.9] * 5, False, "no"),
    ],
)
def test_a_target_is_met_surely_or_by_the_median_or_not(
    ratios: list[float], is_floor: bool, verdict: str
) -> None:
    """`yes` needs the bound on the right side of the target as well."""
    target = Target(name="a ÷ b", wanted=0.85, is_floor=is_floor)
    assert Compared(target=target, ratios=tuple(ratios)).verdict == verdict


def answer_to(message: bytes, status: int, body: bytes) -> bytes:
    """The switch's answer to one of our messages."""
    bound, _ = kept.read_message(message)
    created = int(datetime.now(UTC).timestamp())
    fields = sign_reply(SWITCH_KEY, status=status, body=body, bound=bound, created=created)
    return raw(status, body, fields)


def raw(status: int, body: bytes, fields: dict[str, str]) -> bytes:
    """An answer as it comes over the wire."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def payment() -> bytes:
    """One signed payment."""
    provider = Provider(id="purse", number=1, seed=SEED, wallets=(WALLET,))
    order = Order(
        authority=AUTHORITY, providers=[provider], payees=[SHOP], count=1, key_prefix="figures"
    )
    return next(order.messages())


def decision(message: bytes, **changes: object) -> bytes:
    """What is decided about it."""
    bound, body = kept.read_message(message)
    assert bound.idempotency_key is not None
    key = bound.idempotency_key.strip('"')
    told = b'{"idempotency_key":"%s","status":"completed","reason":null,' % key.encode()
    content = told + body[1:]
    for name, value in changes.items():
        content = content.replace(f'"{name}":'.encode(), f'"{name}":{value},"was":'.encode(), 1)
    return content


def test_a_kept_answer_is_verified() -> None:
    """Signed by the switch, to this very message, about this very payment; else it is a fault."""
    message, other = payment(), payment().replace(b"figures-00000000", b"figures-00000001")
    good = answer_to(message, 201, decision(message))
    assert kept.fault_of(good, message, KEYS) is None
    assert kept.fault_of(good.replace(b'"reason":null', b'"reason":true'), message, KEYS)
    assert kept.fault_of(good, other, KEYS)
    assert kept.fault_of(good, message, {})
    declined = answer_to(message, 201, decision(message, status='"declined"'))
    assert kept.fault_of(declined, message, KEYS) is None
    fault = kept.fault_of(declined, message, KEYS, is_paid=True)
    assert fault == "the payment was declined: None"
    wrong = answer_to(message, 201, decision(message, amount=1))
    assert kept.fault_of(wrong, message, KEYS) == "the decision is about another payment"
    elses = answer_to(message, 201, decision(other))
    assert kept.fault_of(elses, message, KEYS) == "the decision is of another key"


def test_a_kept_refusal_says_why_and_until_when() -> None:
    """The cheap refusal of look-ups bears no signature; nothing else may come without one."""
    watch = Watch(holder=Holder(id="shop", number=2, seed=SEED), payments=[WALLET], after=7)
    look_up, of_feed = requests.look_ups(AUTHORITY, [watch])
    too_many = b'{"type":"urn:switch:problem:too-many-requests"}'
    assert kept.fault_of(raw(429, too_many, {"Retry-After": "1"}), look_up, KEYS) is None
    assert kept.fault_of(raw(429, too_many, {}), look_up, KEYS)
    assert kept.fault_of(raw(429, b'{"type":"x"}', {"Retry-After": "1"}), look_up, KEYS)
    assert kept.fault_of(raw(200, b"{}", {}), look_up, KEYS) == "the answer is not signed"
    assert kept.fault_of(answer_to(of_feed, 200, b"{}"), of_feed, KEYS) is None
    bound, _ = kept.read_message(of_feed)
    assert bound == BoundRequest(
        method="GET",
        path="/v1/events",
        query="after=7&limit=10",
        content_digest=None,
        idempotency_key=None,
    )


def test_a_reference_is_borne_by_every_payment_or_by_none() -> None:
    """Twelve characters, over HTTP and in the function alike; messages stay of one length."""
    provider = Provider(id="purse", number=1, seed=SEED, wallets=(WALLET,))
    order = Order(
        authority=AUTHORITY, providers=[provider], payees=[SHOP], count=20, key_prefix="bearing",
        has_reference=True,
    )  # fmt: skip
    messages = list(order.messages())
    bodies = [msgspec.json.decode(kept.read_message(message)[1]) for message in messages]
    assert {len(body["reference"]) for body in bodies} == {12}
    assert len({len(message) for message in messages}) == 1
    assert len({body["reference"] for body in bodies}) == 20
    assert b"reference" not in payment()
    task = Task(
        url="", providers=[provider], payees=[SHOP], share=(0, 1), order_count=4, seconds=1.0,
        key_prefix="bearing", mix=Mix(batch_size=2, has_reference=True), is_made_before=True,
    )  # fmt: skip
    given = [one.request.reference or "" for batch in function.batches(task) for one in batch]
    assert [len(one) for one in given] == [12] * 4
    (batch,) = function.batches(replace(task, order_count=2, mix=Mix(batch_size=2)))
    assert {one.request.reference for one in batch} == {None}


def test_bytes_a_payment_are_split_without_a_rest() -> None:
    """What each relation has grown by for each payment stored since, a new one included."""
    before = Footprint(
        payments=100, relations={("payment", "payment"): 50_000, ("payment", "p_x"): 8_000}
    )
    after = Footprint(
        payments=300,
        relations={
            ("payment", "payment"): 90_000, ("payment", "p_x"): 18_000,
            ("key_claim", "key_claim"): 12_000, ("key_claim", "k_pkey"): 8_000,
            ("event_run", "event_run"): 4_000, ("fold", "fold"): 2_000,
            ("tomorrow", "tomorrow"): 1_000,
        },
    )  # fmt: skip
    relations = after.a_payment(before)
    assert relations["payment", "p_x"] == 50
    assert growth.parts(relations) == {
        "total": 385.0, "payment_rows": 200.0, "payment_indexes": 50.0, "key_claims": 100.0,
        "events": 20.0, "credits": 10.0, "accounts": 0.0, "other": 5.0,
    }  # fmt: skip


def test_what_a_bank_decides_is_accounted_for() -> None:
    """Every approval with the bank's own; who was told to be pending counts once, in no rate."""
    ledger = {"decided": 100, "approved": 95, "asked": 95}
    assert bank_routed.is_accounted_for(ledger, told=90, pending=10)
    assert not bank_routed.is_accounted_for(ledger, told=90, pending=9)
    with pytest.raises(BenchError, match="1 payments were approved without"):
        bank_routed.is_accounted_for({**ledger, "asked": 94}, told=90, pending=10)
    assert bank_routed.in_time_share(100, 95, 10) == 0.85
    assert bank_routed.in_time_share(0, 0, 0) == 0


def test_a_ratio_of_which_nothing_is_wanted_is_shown_all_the_same() -> None:
    """Without a verdict."""
    results, written = Results(None, {}), io.StringIO()
    questions = [BankRouted(), HttpUniform()]
    for question, rate in zip(questions, (500.0, 1_000.0), strict=True):
        results.add(question.name, 1, Measurement(per_second=rate, seen={}))
    ratio = Ratio(of=questions[0].name, to=questions[1].name)
    conclude(questions, [ratio], results, Console(file=written, width=120))
    (line,) = (line for line in written.getvalue().splitlines() if "÷" in line)
    assert line.split() == ["bank-routed", "÷", "http", "0.50", "0.50", "0.50"]
