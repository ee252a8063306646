"""The course of a batch: order, windows, keys given twice, and what a refusal means for the rest.

The ledger here is the double that the tests of the router use; what the real one decides is tested
with the real one, over HTTP.
"""

import asyncio
import json
from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from msgspec import Raw
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from switch import limits
from switch.admission import Admission, Caller, Request
from switch.authorize import Authorize
from switch.batch import Course
from switch.batch_message import KeyedPayment
from switch.clock import SYSTEM_CLOCK, Clock
from switch.components import BoundRequest
from switch.errors import LedgerUnavailable, OutcomeUnknown, Problem
from switch.ledger import Disposition, Order, Verdict
from switch.metrics import WorkerMetrics
from switch.participants import Participant
from switch.pending import Pending
from switch.reads import Reads
from tests.unit.router_stage import Stage, approved, name, order, settle, stage

SENDER = Participant(number=1, id="blue-wallet", kind="wallet", is_suspended=False)
CALLER = Caller(
    participant=SENDER,
    key_id="blue-wallet/one",
    key_no=7,
    bound=cast(BoundRequest, None),
    request=cast(Request, SimpleNamespace(trace=None)),
    body=b"",
    digest=b"",
)
WINDOW = 4
ALICE, BOB = uuid4(), uuid4()


class HandClock(Clock):
    """A clock that moves when it is told to."""

    passed_s = 0.0

    def monotonic_s(self) -> float:
        """What has passed."""
        return self.passed_s


def keyed(key: str, payer: UUID = ALICE, **more: Any) -> KeyedPayment:
    """A payment as it stands in a batch."""
    content = {
        "type": "transfer",
        "payer": str(payer),
        "payee": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
        "amount": 1,
        "currency": "CNY",
    }
    return KeyedPayment(key=key, body=Raw(json.dumps(content | more).encode()))


def course(
    made: Stage,
    payments: Sequence[KeyedPayment],
    *,
    may_send: Collection[str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> "asyncio.Task[list[Verdict | Problem]]":
    """Begin to decide a batch."""
    authorize = Authorize(
        admission=cast(Admission, None),
        router=made.router,
        pending=cast(Pending, None),
        reads=cast(Reads, None),
        clock=SYSTEM_CLOCK,
        metrics=WorkerMetrics(CollectorRegistry()),
    )
    begun = Course(
        caller=CALLER,
        payments=payments,
        may_send={one.key for one in payments} if may_send is None else may_send,
        authorize=authorize,
        router=made.router,
        clock=clock,
    )
    return asyncio.create_task(begun.run())


def names(results: Sequence[Verdict | Problem]) -> list[str]:
    """What came of each, in one word."""
    return [name(result) for result in results]


def keys(batch: Sequence[Order]) -> list[str]:
    """The keys of what one call of the ledger was asked to decide."""
    return [order.key for order in batch]


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of a few payments."""
    monkeypatch.setattr(limits, "BATCH_WINDOW_PAYMENTS", WINDOW)


async def test_payments_leave_in_order_a_window_at_a_time() -> None:
    """No more than a window is in flight, whatever the batch holds; others come between."""
    async with stage() as made:
        task = course(made, [keyed(str(number)) for number in range(10)])
        await settle()
        assert made.in_batches.total == WINDOW
        between = made.send(order("between"))
        await settle()
        made.link.gate.set()
        assert names(await task) == ["DECIDED"] * 10
        assert name(await between) == "DECIDED"
        sent = [key for batch in made.link.batches for key in keys(batch)]
        assert [key for key in sent if key != "between"] == [str(number) for number in range(10)]
        assert sent.index("between") == WINDOW


async def test_a_malformed_payment_is_not_sent_and_takes_nobodys_place() -> None:
    """The window goes on to the next; its key is free for a later payment of the batch."""
    async with stage() as made:
        made.link.gate.set()
        bad = KeyedPayment(key="a", body=Raw(b"{}"))
        payments = [bad, keyed("b"), keyed("a"), bad, keyed("c"), keyed("d")]
        results = await course(made, payments)
        assert names(results) == [
            "malformed-message", "DECIDED", "DECIDED", "malformed-message", "DECIDED", "DECIDED",
        ]  # fmt: skip
        assert [keys(batch) for batch in made.link.batches] == [["b", "a", "c", "d"]]


async def test_of_a_key_given_twice_the_first_is_decided() -> None:
    """The same bytes again are a repeat, other bytes a key reused; the ledger is asked once."""
    async with stage() as made:
        made.link.gate.set()
        payments = [keyed("a"), keyed("a"), keyed("a", amount=2), keyed("b"), keyed("a")]
        results = await course(made, payments)
        assert names(results) == ["DECIDED", "REPEATED", "KEY_REUSED", "DECIDED", "REPEATED"]
        first, again = results[0], results[4]
        assert isinstance(first, Verdict)
        assert isinstance(again, Verdict)
        assert first.payment is again.payment
        assert [keys(batch) for batch in made.link.batches] == [["a", "b"]]


async def test_a_key_given_a_thousand_times_costs_one_call() -> None:
    """However many payments claim to be the one of a key, the first tells all of them."""
    async with stage() as made:
        made.link.gate.set()
        results = await course(made, [keyed("a", amount=1 + number) for number in range(1000)])
        assert names(results) == ["DECIDED"] + ["KEY_REUSED"] * 999
        assert len(made.link.batches) == 1


async def test_when_the_first_of_a_key_is_not_decided_none_of_them_is() -> None:
    """Or the second would have the key, and the first, sent again, would be refused."""
    async with stage() as made:
        made.link.failure = lambda orders: LedgerUnavailable("too busy")
        made.link.gate.set()
        results = await course(made, [keyed("a"), keyed("a", amount=2), keyed("a")])
        assert names(results) == ["ledger-unavailable"] * 3
        assert len(made.link.batches) == 1


async def test_a_key_spent_on_another_message_is_looked_for_among_all_of_the_batch() -> None:
    """The second of a key may be the repeat of what the first is refused for."""

    def verdicts(orders: Sequence[Order]) -> list[Verdict]:
        spent = Verdict(disposition=Disposition.KEY_REUSED, payment=None)
        return [
            Verdict(disposition=Disposition.REPEATED, payment=approved(one).payment)
            if one.request.amount == 3
            else spent
            for one in orders
        ]

    async with stage() as made:
        made.link.verdicts = verdicts
        made.link.gate.set()
        payments = [keyed("a", amount=amount) for amount in (1, 2, 1, 3, 3, 4)]
        results = await course(made, payments)
        assert names(results) == [
            "KEY_REUSED", "KEY_REUSED", "KEY_REUSED", "REPEATED", "REPEATED", "KEY_REUSED",
        ]  # fmt: skip


async def test_of_a_barred_key_every_payment_gets_the_bar() -> None:
    """The ledger answers any bytes under it; so does a batch, and asks once."""

    def verdicts(orders: Sequence[Order]) -> list[Verdict]:
        stored = [approved(one).payment for one in orders]
        return [
            Verdict(
                disposition=Disposition.REPEATED,
                payment=replace(one, status="declined", reason="barred") if one else None,
            )
            for one in stored
        ]

    async with stage() as made:
        made.link.verdicts = verdicts
        made.link.gate.set()
        results = await course(made, [keyed("a"), keyed("a", amount=2), keyed("a")])
        assert names(results) == ["REPEATED"] * 3
        assert len(made.link.batches) == 1


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (LedgerUnavailable("too busy"), "ledger-unavailable"),
        (OutcomeUnknown("cut"), "outcome-unknown"),
    ],
)
async def test_nothing_of_a_payer_overtakes_what_was_not_decided(
    failure: Exception, said: str
) -> None:
    """What follows from the same payer is not sent any more; what others pay goes on."""
    async with stage() as made:
        failures = [failure]
        made.link.failure = lambda orders: failures.pop() if failures else None
        made.link.gate.set()
        payments = [keyed(str(number)) for number in range(WINDOW)]
        payments += [keyed("a"), keyed("b", BOB), keyed("c"), keyed("d", BOB)]
        task = course(made, payments)
        await settle()
        made.link.gate.set()  # of the link after a broken one
        results = await task
        assert names(results) == [said] * WINDOW + [
            "overloaded",
            "DECIDED",
            "overloaded",
            "DECIDED",
        ]
        assert isinstance(results[WINDOW], Problem)
        assert results[WINDOW].retry_after_s
        assert keys(made.link.batches[-1]) == ["b", "d"]


async def test_a_payment_that_cannot_be_decided_holds_nobody_back() -> None:
    """A fault of one message is that message's answer, for the same payer too."""

    def refuse_poison(orders: Sequence[Order]) -> Exception | None:
        return ValueError("unforeseen") if any(one.key == "1" for one in orders) else None

    async with stage() as made:
        made.link.failure = refuse_poison
        made.link.gate.set()
        results = await course(made, [keyed(str(number)) for number in range(6)])
        assert names(results) == ["DECIDED", "internal-error", *["DECIDED"] * 4]


async def test_beyond_what_a_participant_may_take_payments_are_refused_cleanly() -> None:
    """The first of the batch are decided, the rest is refused undecided, and nothing is kept."""
    async with stage(each_max=2) as made:
        task = course(made, [keyed(str(number)) for number in range(10)])
        await settle()
        made.link.gate.set()
        results = await task
        assert names(results) == ["DECIDED"] * 2 + ["too-many-requests"] * 2 + ["overloaded"] * 6
        assert made.in_batches.total == 0


async def test_a_full_lane_refuses_what_does_not_fit() -> None:
    """The rest of the batch is refused undecided, in its order."""
    async with stage(queue_max=2) as made:
        busy = made.send(order("busy"))
        await settle()
        task = course(made, [keyed(str(number)) for number in range(6)])
        await settle()
        made.link.gate.set()
        assert names(await task) == ["DECIDED"] * 2 + ["overloaded"] * 4
        assert name(await busy) == "DECIDED"


async def test_a_batch_has_a_bounded_time_to_be_sent() -> None:
    """What is not on its way by then is refused undecided; what is, is answered."""
    clock = HandClock()
    async with stage() as made:
        task = course(made, [keyed(str(number)) for number in range(10)], clock=clock)
        await settle()
        clock.passed_s = limits.BATCH_SENDING_S_MAX + 0.1
        made.link.gate.set()
        assert names(await task) == ["DECIDED"] * WINDOW + ["overloaded"] * (10 - WINDOW)


async def test_a_drain_in_mid_batch_answers_what_was_sent() -> None:
    """The rest is told at once that it is not decided."""
    async with stage() as made:
        task = course(made, [keyed(str(number)) for number in range(10)])
        await settle()
        made.router.drain()
        made.link.gate.set()
        assert names(await task) == ["DECIDED"] * WINDOW + ["overloaded"] * (10 - WINDOW)


async def test_a_caller_that_is_cut_off_leaves_nothing_behind() -> None:
    """What was sent is decided, what was not is not, and the budgets are free again."""
    async with stage() as made:
        task = course(made, [keyed(str(number)) for number in range(10)])
        await settle()
        task.cancel()
        await settle()
        assert made.in_batches.total == 0
        made.link.gate.set()
        await settle()
        assert [len(batch) for batch in made.link.batches] == [WINDOW]


async def test_the_suspended_are_told_before_their_payments_are_looked_at() -> None:
    """What was sent before is repeated; the rest is refused, well formed or not."""
    async with stage() as made:
        made.link.gate.set()
        bad = KeyedPayment(key="b", body=Raw(b"{}"))
        results = await course(made, [keyed("a"), bad, keyed("c")], may_send={"c"})
        assert names(results) == ["participant-suspended", "participant-suspended", "DECIDED"]
        assert [keys(batch) for batch in made.link.batches] == [["c"]]
