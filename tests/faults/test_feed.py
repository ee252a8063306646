"""Every decision is told once, in order, to everybody it concerns, whatever is killed meanwhile.

What must be told is known from the answers alone; what was told is read from the participants' own
feeds, while processes are killed and again afterwards, and from what a callback receiver took.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from switch.admin import connected
from switch.clock import SYSTEM_CLOCK
from tests.faults.city import Switch, free_port, kill
from tests.faults.trade import Trade
from tests.faults.wire import Word
from tests.integration import running
from tests.integration.running import until
from tests.receivers import Inbox, payment_of
from tests.receivers import running as receiving

PAYMENTS, PAYMENTS_LONG = 400, 100_000
WORKER_KILLS, WORKER_KILLS_LONG = 2, 20
MERCHANT = "night-market"
PAGE = 200
WAIT_S = 1  # for the next event, by one question
CATCH_UP_S_MAX = 600.0  # nothing depends on it: a bound, so that a test can fail
DOWN_S, DOWN_S_LONG = 3.0, 300.0  # of the receiver, at least
DOWN_PAUSE_S_LONG = 0.5  # between two payments of a sender meanwhile
SHOWN_MAX = 5

Event = dict[str, Any]


class Reader:
    """Follows one participant's feed, remembers one number, and asks again until it is answered."""

    def __init__(self, switch: Switch, holder: str) -> None:
        self.events: list[Event] = []
        self._switch = switch
        self._holder = holder
        self._connection = switch.connection()

    async def follow(self) -> None:
        """Read on until cancelled."""
        try:
            while True:
                await self.read()
        finally:
            self._connection.close()

    async def read(self) -> bool:
        """One piece of the feed; whether there was any."""
        after = self.events[-1]["number"] if self.events else 0
        signer = self._switch.city.signers[self._holder]
        query = f"after={after}&limit={PAGE}&wait={WAIT_S}"
        reply = await self._connection.send(signer, "GET", "/v1/events", query=query)
        if reply.word is not Word.DECIDED:
            assert reply.fault is None, reply
            await asyncio.sleep(0.1)
            return True
        found = msgspec.json.decode(reply.body)["data"]
        self.events += found
        return bool(found)

    async def read_all(self) -> list[Event]:
        """The whole feed, once more from its start."""
        while await self.read():
            pass
        self._connection.close()
        return self.events


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Wait for something that takes its time."""
    ends_s = SYSTEM_CLOCK.monotonic_s() + CATCH_UP_S_MAX
    while not condition():
        assert SYSTEM_CLOCK.monotonic_s() < ends_s, f"in vain waited for this: {what}"
        await asyncio.sleep(0.05)


async def test_every_decision_is_told_once_and_in_order(
    trade: Trade, seed: int, long_run: bool
) -> None:
    """With workers and the jobs killed under load, feeds have no gap, no double and one order."""
    switch = trade.switch
    readers = {holder: Reader(switch, holder) for holder in switch.city.signers}
    following = [asyncio.create_task(reader.follow()) for reader in readers.values()]
    async with asyncio.TaskGroup() as group:
        group.create_task(trade.run(PAYMENTS_LONG if long_run else PAYMENTS))
        group.create_task(_kill_under(trade, random.Random(f"{seed} feed"), long_run))
    print(dict(trade.words))  # shown with a failure
    for holder, reader in readers.items():
        await _is_told(reader.events, trade, holder)
    for task in following:
        task.cancel()
    ended = await asyncio.gather(*following, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
    for holder, reader in readers.items():
        again = await Reader(switch, holder).read_all()
        assert again[: len(reader.events)] == reader.events, "a feed never changes"
        _check_feed(again, trade, holder)
    books = await running.switch("check-books", "--data-dir", switch.city.data_dir)
    assert books.code == 0, books


async def test_a_receiver_that_was_down_for_long_catches_up(trade: Trade, long_run: bool) -> None:
    """Down while payments go on, it then takes all events, those of a payment in their order."""
    switch, port, inbox = trade.switch, free_port(), Inbox()
    async with connected(switch.city.database_url) as operator:
        url = f"http://127.0.0.1:{port}/events"
        await operator.set_participant(MERCHANT, callback_url=url)
    async with receiving(inbox.receive, port=port):
        await trade.run(PAYMENTS // 4)
        await eventually(lambda: inbox.taken, "the first events are taken")
    begun_s = SYSTEM_CLOCK.monotonic_s()
    await trade.run(PAYMENTS // 4)
    await until(_receivers_down(switch), "the receiver counts as down")
    while SYSTEM_CLOCK.monotonic_s() - begun_s < (DOWN_S_LONG if long_run else DOWN_S):
        await trade.run(PAYMENTS // 4, pause_s=DOWN_PAUSE_S_LONG if long_run else 0.0)
    taken_before = len(inbox.taken)
    async with receiving(inbox.receive, port=port):
        await trade.run(PAYMENTS // 4)
        await _is_told(inbox.taken, trade, MERCHANT)
    assert len(inbox.taken) > taken_before
    feed = await Reader(switch, MERCHANT).read_all()
    _check_feed(feed, trade, MERCHANT)
    _check_taken(inbox.taken, of_trade(feed))


async def _kill_under(trade: Trade, chance: random.Random, long_run: bool) -> None:
    """Kill workers, and once the jobs, each at its share of the payments."""
    switch = trade.switch
    kills = WORKER_KILLS_LONG if long_run else WORKER_KILLS
    share = (PAYMENTS_LONG if long_run else PAYMENTS) / (kills + 2)
    count = len(switch.children())
    for number in range(1, kills + 2):
        await eventually(partial(_has_decided, trade, share * number), "payments go on")
        killed = switch.jobs() if number == kills // 2 + 1 else chance.choice(switch.workers())
        kill(killed)

        def is_replaced(killed: int = killed) -> bool:
            running_now = switch.children()
            return killed not in running_now and len(running_now) == count

        await until(is_replaced, "it was started again")


def _has_decided(trade: Trade, count: float) -> bool:
    return trade.payment_count >= count


def _receivers_down(switch: Switch) -> Callable[[], Awaitable[bool]]:
    """Whether some receiver is called by one event at a time."""

    async def is_one_down() -> bool:
        samples = await switch.metrics()
        return any(
            value > 0 for name, value in samples.items() if "switch_spared_receivers" in name
        )

    return is_one_down


async def _is_told(events: list[Event], trade: Trade, holder: str) -> None:
    """Wait until what somebody hears has told of everything; what it never tells of is named."""
    missing = {told.id for chain in trade.told_to(holder) for told in chain}
    heard_count = 0

    def is_complete() -> bool:
        nonlocal heard_count
        new = events[heard_count:]
        heard_count += len(new)
        missing.difference_update(subject(event) for event in new)
        return not missing

    with suppress(AssertionError):
        await eventually(is_complete, "everything is told")
    assert not missing, f"{holder} was not told of {len(missing)}: {sorted(missing)[:SHOWN_MAX]}"


def subject(event: Event) -> str:
    """The decision that an event tells of."""
    about = event["step"] or event["payment"] or event["key"]
    return str(about["id"])


def of_trade(feed: list[Event]) -> list[Event]:
    """Without what happened when the city was founded: keys that were added, money issued."""
    return [
        event
        for event in feed
        if event["step"] or (event["payment"] and event["payment"]["type"] != "issue")
    ]


def _check_feed(feed: list[Event], trade: Trade, holder: str) -> None:
    """Numbers without gaps, each decision once and nothing else, causes before their effects."""
    assert [event["number"] for event in feed] == list(range(1, len(feed) + 1))
    ids = Counter(event["id"] for event in feed)
    assert ids.most_common(1)[0][1] == 1, ids.most_common(SHOWN_MAX)
    place = {subject(event): event for event in of_trade(feed)}
    assert len(place) == len(of_trade(feed)), "a decision was told twice"
    chains = list(trade.told_to(holder))
    expected = {told.id: told.event for chain in chains for told in chain}
    assert {told: event["type"] for told, event in place.items()} == expected
    for chain in chains:
        numbers = [place[told.id]["number"] for told in chain]
        assert numbers == sorted(numbers), f"an effect before its cause: {chain}"


def _check_taken(taken: list[Event], feed: list[Event]) -> None:
    """For a receiver that deduplicates: as in the feed, those of each payment in their order."""
    first: dict[str, Event] = {}
    for event in taken:
        assert first.setdefault(event["id"], event) == event, "sent again as something else"
    assert sorted(first.values(), key=lambda event: int(event["number"])) == feed
    by_payment: dict[str, list[int]] = {}
    for event in first.values():
        by_payment.setdefault(payment_of(event), []).append(event["number"])
    late = [payment for payment, numbers in by_payment.items() if numbers != sorted(numbers)]
    assert not late, f"events overtook each other: {late[:SHOWN_MAX]}"
