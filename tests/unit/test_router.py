"""Router and lanes: twins, full queues, broken links, a message that cannot be decided, the drain.

The ledger here is a double that does what the test says; what the real one decides is tested with
the real one.
"""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from switch import limits
from switch.errors import LedgerUnavailable, OutcomeUnknown, Problem
from switch.ledger import Disposition, Order, Verdict
from tests.unit.router_stage import approved, name, order, settle, stage
from tests.unit.test_budget import StandingClock


async def test_a_lane_tells_how_long_its_messages_took() -> None:
    """From when each came until all of its batch were decided."""
    clock = StandingClock()
    async with stage(clock=clock) as made:
        tasks = [made.send(order("first"))]
        await settle()
        clock.at_s += 1
        tasks += [made.send(order(f"next-{number}")) for number in range(5)]
        await settle()
        clock.at_s += 2
        made.link.gate.set()
        await asyncio.gather(*tasks)
    assert made.decided == [(1, 3.0), (5, 10.0)]


async def test_what_arrives_while_a_batch_is_in_flight_becomes_the_next() -> None:
    """An idle lane sends one message alone at once; a busy one gathers."""
    async with stage() as made:
        tasks = [made.send(order("first"))]
        await settle()
        tasks += [made.send(order(f"next-{number}")) for number in range(5)]
        await settle()
        assert [len(batch) for batch in made.link.batches] == [1]
        made.link.gate.set()
        assert {name(result) for result in await asyncio.gather(*tasks)} == {"DECIDED"}
        assert [len(batch) for batch in made.link.batches] == [1, 5]
        assert [one.key for one in made.link.batches[1]] == [
            f"next-{number}" for number in range(5)
        ]


async def test_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much waits, one call takes no more than the limit."""
    monkeypatch.setattr(limits, "BATCH_SIZE_MAX", 4)
    async with stage() as made:
        tasks = [made.send(order(str(number))) for number in range(10)]
        made.link.gate.set()
        await asyncio.gather(*tasks)
        assert [len(batch) for batch in made.link.batches] == [4, 4, 2]


async def test_a_twin_joins_and_is_answered_as_a_repeat() -> None:
    """The same message twice at once is decided once; both get the same payment."""
    async with stage() as made:
        first = made.send(order())
        await settle()
        twins = [made.send(order()) for _ in range(3)]
        await settle()
        made.link.gate.set()
        decided = await first
        repeats = await asyncio.gather(*twins)
        assert isinstance(decided, Verdict)
        assert decided.disposition is Disposition.DECIDED
        for repeat in repeats:
            assert isinstance(repeat, Verdict)
            assert repeat.disposition is Disposition.REPEATED
            assert repeat.payment == decided.payment
        assert [len(batch) for batch in made.link.batches] == [1]


async def test_a_twin_of_what_a_bank_has_to_decide_is_a_repeat_too() -> None:
    """Only the message that was accepted is answered as the first, whatever the bank decides."""
    async with stage() as made:
        made.link.verdicts = lambda orders: [
            replace(approved(one), disposition=Disposition.PENDING) for one in orders
        ]
        tasks = [made.send(order()) for _ in range(3)]
        await settle()
        made.link.gate.set()
        names = [name(result) for result in await asyncio.gather(*tasks)]
        assert names == ["PENDING", "REPEATED", "REPEATED"]


async def test_another_payload_under_the_key_in_flight_waits_and_asks_the_ledger() -> None:
    """Which of two payloads has the key is the ledger's to say, after the first is decided."""
    async with stage() as made:
        first = made.send(order(digest=b"a"))
        await settle()
        other = made.send(order(digest=b"b"))
        await settle()
        assert len(made.link.batches) == 1
        made.link.gate.set()
        await first
        await other
        assert [[one.digest[:1] for one in batch] for batch in made.link.batches] == [
            [b"a"],
            [b"b"],
        ]


async def test_the_same_key_of_two_participants_are_two_keys() -> None:
    """A key's scope is its participant."""
    async with stage() as made:
        tasks = [made.send(order(participant_no=number)) for number in (1, 2)]
        made.link.gate.set()
        assert [name(result) for result in await asyncio.gather(*tasks)] == ["DECIDED", "DECIDED"]


async def test_waiting_for_a_twin_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first message that does not end in time lets its twin go with in-progress."""
    monkeypatch.setattr(limits, "TWIN_WAIT_S_MAX", 0.05)
    async with stage() as made:
        first = made.send(order())
        await settle()
        assert name(await made.send(order())) == "in-progress"
        made.link.gate.set()
        assert name(await first) == "DECIDED"


async def test_a_caller_that_goes_away_does_not_stop_its_message_nor_its_twin() -> None:
    """An accepted message is decided whoever still listens; its twin is answered."""
    async with stage() as made:
        first = made.send(order())
        await settle()
        twin = made.send(order())
        await settle()
        first.cancel()
        await settle()
        assert made.link.batches[0][0].key == "k"
        made.link.gate.set()
        result = await twin
        assert isinstance(result, Verdict)
        assert made.in_flight.total == 0


async def test_a_cancelled_caller_harms_nobody_in_its_batch() -> None:
    """The others of the batch get their verdicts, and the lane goes on."""
    async with stage() as made:
        tasks = [made.send(order(str(number))) for number in range(4)]
        await settle()
        tasks[0].cancel()
        tasks[2].cancel()
        made.link.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, Verdict) for result in results] == [False, True, False, True]
        assert name(await made.send(order("after"))) == "DECIDED"


async def test_a_full_queue_refuses_at_once() -> None:
    """Beyond the queue's bound a message is told so, with Retry-After, and is not kept."""
    async with stage(queue_max=2) as made:
        tasks = [made.send(order("in flight"))]
        await settle()
        tasks += [made.send(order(f"waits-{number}")) for number in range(2)]
        await settle()
        refused = await made.send(order("too much"))
        assert isinstance(refused, Problem)
        assert (refused.name, refused.status) == ("overloaded", 503)
        assert refused.retry_after_s
        assert made.in_flight.total == 3
        made.link.gate.set()
        await asyncio.gather(*tasks)


async def test_one_participant_cannot_take_everything() -> None:
    """A participant at its bound is told 429; another is served."""
    async with stage(each_max=2) as made:
        tasks = [made.send(order(str(number), participant_no=1)) for number in range(2)]
        await settle()
        refused = await made.send(order("third", participant_no=1))
        assert name(refused) == "too-many-requests"
        tasks.append(made.send(order("of another", participant_no=2)))
        made.link.gate.set()
        assert {name(result) for result in await asyncio.gather(*tasks)} == {"DECIDED"}


async def test_a_link_that_breaks_after_sending_leaves_the_outcome_unknown() -> None:
    """Every message of the batch is told that it is unknown; the next batch has a new link."""
    async with stage() as made:
        made.link.failure = lambda orders: OutcomeUnknown("cut")
        tasks = [made.send(order(str(number))) for number in range(3)]
        await settle()
        twin = made.send(order("0"))
        await settle()
        made.link.gate.set()
        results = await asyncio.gather(*tasks, twin)
        assert [name(result) for result in results] == ["outcome-unknown"] * 4
        after = made.send(order("after"))
        await settle()
        assert len(made.links) == 2
        made.link.gate.set()
        assert name(await after) == "DECIDED"


async def test_a_batch_that_was_surely_undone_is_refused_as_undecided() -> None:
    """A ledger that rolled back and said so leaves nothing unknown, and the link stays in use."""
    async with stage() as made:
        made.link.failure = lambda orders: LedgerUnavailable("too busy")
        made.link.gate.set()
        result = await made.send(order())
        assert isinstance(result, Problem)
        assert (result.name, result.status) == ("ledger-unavailable", 503)
        assert result.retry_after_s
        made.link.failure = lambda orders: None
        assert name(await made.send(order())) == "DECIDED"
        assert len(made.links) == 1


async def test_a_message_that_cannot_be_decided_harms_nobody_else() -> None:
    """A batch refused as a whole is decided message by message; only the bad one gets a fault."""

    def refuse_poison(orders: Sequence[Order]) -> Exception | None:
        return ValueError("unforeseen") if any(one.key == "poison" for one in orders) else None

    async with stage() as made:
        made.link.failure = refuse_poison
        first = made.send(order("first"))
        await settle()
        keys = ["a", "b", "poison", "c"]
        tasks = [made.send(order(key)) for key in keys]
        made.link.gate.set()
        results = await asyncio.gather(first, *tasks)
        assert [name(result) for result in results] == [
            "DECIDED", "DECIDED", "DECIDED", "internal-error", "DECIDED",
        ]  # fmt: skip
        assert len(made.links) == 1


async def test_a_link_that_breaks_while_deciding_one_by_one() -> None:
    """What was sent alone is unknown; what was not sent after the batch was undone is undecided."""

    def poison_then_cut(orders: Sequence[Order]) -> Exception | None:
        if len(orders) > 1:
            return ValueError("unforeseen")
        return OutcomeUnknown("cut") if orders[0].key == "b" else None

    async with stage() as made:
        first = made.send(order("first"))
        await settle()
        tasks = [made.send(order(key)) for key in "abc"]
        made.link.failure = poison_then_cut
        made.link.gate.set()
        await first
        results = await asyncio.gather(*tasks)
        assert [name(result) for result in results] == [
            "DECIDED", "outcome-unknown", "ledger-unavailable",
        ]  # fmt: skip


async def test_a_link_found_broken_before_sending_costs_nobody_anything() -> None:
    """A database that restarted while the lane was idle: the message goes out on a new link."""
    async with stage() as made:
        made.link.closed = True
        assert not made.lane.is_connected
        task = made.send(order())
        await settle()
        assert len(made.links) == 2
        made.link.gate.set()
        assert name(await task) == "DECIDED"


async def test_a_link_that_breaks_while_idle_is_replaced_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lane nobody uses gets its link back by itself, or it would never be ready again."""
    monkeypatch.setattr(limits, "QUEUE_LOOK_S", 0.01)
    async with stage() as made:
        made.link.closed = True
        await asyncio.wait_for(made.reopened.wait(), 5)
        await settle()
        assert made.router.is_connected


async def test_a_fault_of_the_lane_leaves_nobody_waiting() -> None:
    """Whatever goes wrong after sending, the batch is told that it is unknown, and work goes on."""
    async with stage() as made:
        made.link.verdicts = lambda orders: []
        made.link.gate.set()
        assert name(await made.send(order("lost"))) == "outcome-unknown"
        task = made.send(order("after"))
        await settle()
        made.link.gate.set()
        assert name(await task) == "DECIDED"


async def test_without_a_link_messages_wait_boundedly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message waits for the next link for a bounded time, then it is refused undecided."""
    monkeypatch.setattr(limits, "QUEUE_WAIT_S_MAX", 0.1)
    monkeypatch.setattr(limits, "QUEUE_LOOK_S", 0.02)
    monkeypatch.setattr(limits, "LANE_BACKOFF_S_MAX", 0.05)
    async with stage() as made:
        made.refuse_links = True
        made.link.closed = True
        assert name(await made.send(order("too early"))) == "ledger-unavailable"
        made.refuse_links = False
        task = made.send(order("in time"))
        await asyncio.wait_for(made.reopened.wait(), 5)
        made.link.gate.set()
        assert name(await task) == "DECIDED"


async def test_what_waits_behind_a_silent_batch_is_refused_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ledger that does not answer holds up the batch it has, not the queue behind it."""
    monkeypatch.setattr(limits, "QUEUE_WAIT_S_MAX", 0.1)
    monkeypatch.setattr(limits, "QUEUE_LOOK_S", 0.02)
    async with stage() as made:
        first = made.send(order("sent"))
        await settle()
        assert name(await made.send(order("waits"))) == "ledger-unavailable"
        assert not first.done()
        made.link.gate.set()
        assert name(await first) == "DECIDED"


async def test_a_drained_router_answers_what_it_took_on_and_takes_nothing_new() -> None:
    """SIGTERM loses no accepted message; a new one is refused undecided."""
    async with stage() as made:
        tasks = [made.send(order(str(number))) for number in range(3)]
        await settle()
        made.router.drain()
        refused = await made.send(order("new"))
        assert name(refused) == "overloaded"
        emptied = asyncio.create_task(made.in_flight.empty())
        await settle()
        assert not emptied.done()
        made.link.gate.set()
        assert {name(result) for result in await asyncio.gather(*tasks)} == {"DECIDED"}
        await asyncio.wait_for(emptied, 5)


async def test_a_lane_that_is_stopped_by_force_tells_the_truth() -> None:
    """What was sent is unknown, what waited is not decided; nobody waits for ever."""
    async with stage() as made:
        sent = made.send(order("sent"))
        await settle()
        waits = made.send(order("waits"))
        await settle()
        await made.lane.stop()
        assert name(await sent) == "outcome-unknown"
        assert name(await waits) == "ledger-unavailable"


async def test_a_queue_that_empties_while_it_gathers_is_no_batch() -> None:
    """What was refused at the last moment because it had waited too long is not sent."""
    async with stage() as made:
        waiting = made.lane.put(order())
        await asyncio.sleep(0)
        made.lane._queue.clear()
        await settle()
        assert made.link.batches == []
        waiting.answer(Problem(name="overloaded", detail="not decided"))


async def test_payments_of_a_batch_keep_their_order_and_meet_their_twins() -> None:
    """All at once into the lane; one whose twin is on its way is answered as its repeat."""
    async with stage() as made:
        twin = made.send(order("2"))
        await settle()
        batch = asyncio.create_task(made.router.decide_all([order(str(n)) for n in range(5)]))
        await settle()
        assert (made.in_flight.total, made.in_batches.total) == (1, 5)
        made.link.gate.set()
        results = await batch
        assert [name(result) for result in results] == [
            "DECIDED", "DECIDED", "REPEATED", "DECIDED", "DECIDED",
        ]  # fmt: skip
        decided = await twin
        assert isinstance(decided, Verdict)
        assert isinstance(results[2], Verdict)
        assert results[2].payment == decided.payment
        assert [[one.key for one in sent] for sent in made.link.batches] == [
            ["2"], ["0", "1", "3", "4"],
        ]  # fmt: skip
        assert (made.in_flight.total, made.in_batches.total) == (0, 0)
        assert name(await made.send(order("1"))) == "DECIDED", "it is on its way no more"


async def test_a_batch_beyond_its_room_is_refused_in_part() -> None:
    """What has no room is refused where it stands; what a stopping switch is asked, all."""
    async with stage(queue_max=2, each_max=4) as made:
        batch = asyncio.create_task(made.router.decide_all([order(str(n)) for n in range(6)]))
        await settle()
        made.link.gate.set()
        assert [name(result) for result in await batch] == [
            "DECIDED", "DECIDED", "overloaded", "overloaded",
            "too-many-requests", "too-many-requests",
        ]  # fmt: skip
        assert made.in_batches.total == 0
        made.router.drain()
        (result,) = await made.router.decide_all([order("late")])
        assert name(result) == "overloaded"


async def test_a_batch_whose_caller_goes_away_leaves_nothing_behind() -> None:
    """Its room is free again, its twins and the others of the lane are answered."""
    async with stage() as made:
        first = made.send(order("a"))
        await settle()
        batch = asyncio.create_task(made.router.decide_all([order("b"), order("a"), order("c")]))
        await asyncio.sleep(0)
        batch.cancel()
        await asyncio.wait([batch])
        assert batch.cancelled()
        assert made.in_batches.total == 0
        again = made.send(order("c"))
        made.link.gate.set()
        assert [name(result) for result in await asyncio.gather(first, again)] == ["DECIDED"] * 2
        assert made.in_flight.total == 0
