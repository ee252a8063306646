"""Batches of the client: what is not decided is sent again, and doubt is told as doubt."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from switch import batch_exchange, limits
from switch.client import BatchedPayment, ClientError, ProblemError, Unreachable
from tests.unit.small_switch import SmallSwitch
from tests.unit.test_client import MovedClock, client_of

SOON_S = 0.9  # a deadline that leaves time for one attempt and no pause of a second


@pytest.fixture
async def small_switch() -> AsyncIterator[SmallSwitch]:
    """A switch that misbehaves on demand."""
    async with SmallSwitch() as server:
        yield server


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends again at once."""
    monkeypatch.setattr(batch_exchange, "RETRY_AFTER_S", 0)


def payments(*keys: str) -> dict[str, dict[str, object]]:
    """Payments by their keys."""
    numbers = count(1)
    return {
        key: {
            "type": "transfer",
            "payer": "a",
            "payee": "b",
            "amount": next(numbers),
            "currency": "CNY",
        }
        for key in keys
    }


def said(results: dict[str, BatchedPayment]) -> dict[str, str]:
    """What came of each, in one word."""
    return {
        key: one.problem.name if one.problem is not None else "decided"
        for key, one in results.items()
    }


async def test_each_payment_comes_back_typed(small_switch: SmallSwitch) -> None:
    """By key, in the order given: a payment, or why there is none; one request."""
    small_switch.item_script.extend(["", "malformed-message"])
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("z", "y", "x"))
    assert said(results) == {"z": "decided", "y": "malformed-message", "x": "decided"}
    assert list(results) == ["z", "y", "x"]
    first = results["z"].payment
    assert first is not None
    assert (first.idempotency_key, first.amount, first.status) == ("z", 1, "completed")
    assert small_switch.batches == [["z", "y", "x"]]


async def test_bytes_are_sent_as_they_are(small_switch: SmallSwitch) -> None:
    """What was stored before it was sent is what the digest will be of."""
    body = b'{"type" :"transfer",  "payer":"a","payee":"b","amount":1,"currency":"CNY"}'
    order = batch_exchange._order({"k": body})
    assert order.body is not None
    assert body in order.body
    async with client_of(small_switch) as client:
        assert said(await client.pay_batch({"k": body})) == {"k": "decided"}


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "refusal",
    [
        "too-many-requests", "overloaded", "ledger-unavailable", "in-progress", "internal-error",
        "outcome-unknown", "decide-outcome-unknown",
    ],
)  # fmt: skip
async def test_only_what_was_not_decided_is_sent_again(
    small_switch: SmallSwitch, refusal: str
) -> None:
    """Under its key, with its bytes, until it is; a refusal that stays is not sent again."""
    small_switch.item_script.extend(["", refusal, "malformed-message", refusal, refusal])
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("a", "b", "c", "d"))
    assert said(results) == {
        "a": "decided", "b": "decided", "c": "malformed-message", "d": "decided",
    }  # fmt: skip
    assert small_switch.batches == [["a", "b", "c", "d"], ["b", "d"], ["b"]]


@pytest.mark.parametrize(
    ("refusal", "word"),
    [
        ("overloaded", "overloaded"),
        ("too-many-requests", "too-many-requests"),
        ("outcome-unknown", "outcome-unknown"),
        ("in-progress", "outcome-unknown"),
        ("internal-error", "outcome-unknown"),
    ],
)
async def test_when_the_time_is_over_each_payment_says_what_is_known(
    small_switch: SmallSwitch, refusal: str, word: str
) -> None:
    """Surely undecided by its name; what may have been decided is unknown."""
    small_switch.item_script.extend(["", refusal])
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("a", "b"), deadline_s=SOON_S)
    assert said(results) == {"a": "decided", "b": word}


@pytest.mark.usefixtures("no_pause")
async def test_a_doubt_is_not_forgotten(small_switch: SmallSwitch) -> None:
    """Unknown first and refused after: an earlier attempt may still be decided."""
    small_switch.item_script.extend(["outcome-unknown", "", "participant-suspended"])
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("a", "b"))
    assert said(results) == {"a": "outcome-unknown", "b": "decided"}
    assert results["a"].problem is not None
    assert "participant-suspended" in results["a"].problem.detail


async def test_a_lost_attempt_leaves_doubt_about_what_is_refused_after_it(
    small_switch: SmallSwitch,
) -> None:
    """An attempt without an answer may have been decided, whatever the next one says."""
    small_switch.script.append("decide-drop")
    small_switch.item_script.extend(["", "", "", "overloaded"])
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("a", "b"), deadline_s=SOON_S)
    assert said(results) == {"a": "decided", "b": "outcome-unknown"}
    assert len(small_switch.batches) == 2


@pytest.mark.usefixtures("no_pause")
async def test_what_was_answered_is_not_lost_with_what_comes_after(
    small_switch: SmallSwitch,
) -> None:
    """A switch that falls silent: the decided stay decided, the others are unknown."""
    small_switch.item_script.extend(["", "overloaded"])
    small_switch.script.extend(["answer", *["decide-drop"] * 100])
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("a", "b"), deadline_s=SOON_S)
    assert said(results) == {"a": "decided", "b": "outcome-unknown"}
    assert "b" in small_switch.decided


@pytest.mark.usefixtures("no_pause")
async def test_a_refusal_of_what_is_sent_again_keeps_what_was_answered(
    small_switch: SmallSwitch,
) -> None:
    """The decided stay decided, and of the others it is known that they were not."""
    small_switch.item_script.extend(["", "overloaded"])
    small_switch.script.extend(["answer", *["ledger-unavailable"] * 100])
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("a", "b"), deadline_s=SOON_S)
    assert said(results) == {"a": "decided", "b": "overloaded"}


async def test_a_batch_that_is_refused_whole_is_an_exception(small_switch: SmallSwitch) -> None:
    """Nothing of it was decided, so there is nothing to tell of each."""
    small_switch.script.append("malformed-message")
    async with client_of(small_switch) as client:
        with pytest.raises(ProblemError) as raised:
            await client.pay_batch(payments("a"))
    assert raised.value.problem.name == "malformed-message"


async def test_a_switch_that_is_not_there_is_an_exception(small_switch: SmallSwitch) -> None:
    """No connection, nothing sent."""
    async with client_of(small_switch) as client:
        await small_switch._runner.cleanup()
        with pytest.raises(Unreachable):
            await client.pay_batch(payments("a"), deadline_s=SOON_S)


async def test_a_batch_whose_every_attempt_is_lost_is_unknown(small_switch: SmallSwitch) -> None:
    """Each payment is told so, under its own key."""
    small_switch.script.extend(["drop"] * 100)
    async with client_of(small_switch) as client:
        results = await client.pay_batch(payments("a", "b"), deadline_s=SOON_S)
    assert said(results) == {"a": "outcome-unknown", "b": "outcome-unknown"}


async def test_an_answer_about_other_payments_is_not_understood(
    small_switch: SmallSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are in the order of the payments, one each."""
    monkeypatch.setattr(small_switch, "_batch", lambda body: b'{"answers": []}')
    async with client_of(small_switch) as client:
        with pytest.raises(ClientError, match="not understood"):
            await client.pay_batch(payments("a"))


async def test_a_batch_beyond_its_bounds_is_not_sent(small_switch: SmallSwitch) -> None:
    """The bounds are the switch's, told before anything leaves."""
    too_many = payments(*(str(number) for number in range(limits.BATCH_PAYMENTS_MAX + 1)))
    too_large = {"a": payments("a")["a"] | {"description": "x" * limits.BATCH_BODY_BYTES_MAX}}
    async with client_of(small_switch) as client:
        for batch in ({}, too_many, too_large):
            with pytest.raises(ValueError, match="a batch has"):
                await client.pay_batch(batch)
    assert small_switch.attempts == []


async def test_the_time_for_a_batch_is_bounded(small_switch: SmallSwitch) -> None:
    """However often it is sent again, the deadline is that of the whole call."""
    small_switch.item_script.extend(["overloaded"] * 100)
    clock = MovedClock()
    async with client_of(small_switch, clock=clock) as client:
        results = await client.pay_batch(payments("a"), deadline_s=SOON_S)
    assert said(results) == {"a": "overloaded"}
    assert len(small_switch.batches) == 1
