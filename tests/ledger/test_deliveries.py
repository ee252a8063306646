"""What the ledger keeps of pushed events: how far, what waits behind what, and what is dead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from switch.clock import rfc3339
from switch.ledger import Statements
from switch.queries import QUERIES
from switch.upkeep import prune_deliveries, prune_events, sequence_events
from tests.ledger.city import NOON, City
from tests.ledger.test_steps import Stage
from tests.ledger.test_timeline import timeline

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The deliveries of one participant, through the rights of the jobs."""

    stage: Stage
    jobs: asyncpg.Connection

    @property
    def no(self) -> int:
        """The merchant, whose events are pushed."""
        return self.stage.merchant.no

    async def sequence(self) -> None:
        """Number what happened."""
        while await sequence_events(self.jobs, 1000):
            pass

    async def new(self, limit: int = 100) -> list[tuple[int, bool]]:
        """Numbers of the events to send next, and whether they stand behind others."""
        rows = await self.jobs.fetch(QUERIES["read_new_deliveries"], self.no, limit)
        return [(row["no"], row["is_behind"]) for row in rows]

    async def due(self) -> list[int]:
        """Numbers of the events to send again."""
        rows = await self.jobs.fetch(QUERIES["read_due_deliveries"], self.no, 100)
        return [row["no"] for row in rows]

    async def passed(self, up_to: int, **left: timedelta | None) -> None:
        """Record new events; those left by number (`n3=…`) with the wait, None when untried."""
        await self.jobs.execute(QUERIES["pass_deliveries"], self.no, up_to, *_columns(left))

    async def settled(self, give_up: timedelta = DAY, **tried: timedelta | None) -> int:
        """Record events that were tried again; None when it was taken."""
        dead: int = await self.jobs.fetchval(
            QUERIES["settle_deliveries"], self.no, *_columns(tried), give_up
        )
        return dead

    async def work(self, waiting_max: int = 1000) -> tuple[bool, bool] | None:
        """Whether there is something new, and something due."""
        rows = await self.jobs.fetch(QUERIES["read_delivery_work"], waiting_max)
        found = [
            (row["has_new"], row["has_due"]) for row in rows if row["participant_no"] == self.no
        ]
        return found[0] if found else None

    async def dead(self) -> list[int]:
        """Numbers of dead events, as the operator sees them."""
        rows = await self.stage.city.admin.fetch(
            QUERIES["list_dead_events"], self.stage.merchant.id, 100
        )
        return [row["number"] for row in rows]

    async def kept(self) -> dict[str, int]:
        """How many rows the merchant's deliveries have, by table."""
        return {
            table: await self.stage.city.admin.fetchval(
                f"SELECT count(*) FROM ledger.{table} WHERE participant_no = $1", self.no
            )
            for table in ("delivery", "delivery_run", "delivery_taken")
        }

    async def pushed(self, payment: str, reader: int) -> list[tuple[int | None, str, int | None]]:
        """Number, what became of it and attempts of each event, in a payment's timeline."""
        return [
            (entry.number, entry.what, entry.attempts)
            for entry in (await timeline(self.stage, payment, reader)).entries
            if entry.what.startswith("push_")
        ]

    async def replay(self, numbers: Sequence[int] | None = None) -> int:
        """Let dead events be sent again."""
        count: int = await self.stage.city.admin.fetchval(
            QUERIES["replay_events"], self.stage.merchant.id, numbers
        )
        return count


def _columns(named: dict[str, timedelta | None]) -> tuple[list[int], list[Any], list[Any]]:
    numbers = [int(name.removeprefix("n")) for name in named]
    waits = list(named.values())
    return numbers, waits, [None if wait is None else "answered 500" for wait in waits]


@pytest_asyncio.fixture(loop_scope="session")
async def post(city: City, lane: Statements, jobs: asyncpg.Connection) -> Post:
    """A shop with a callback URL, and a wallet that pays it."""
    await city.own_the_clock()
    await city.set_time(NOON)
    provider, merchant = await city.participant("wallet"), await city.participant("merchant")
    stage = Stage(
        city=city,
        lane=lane,
        provider=provider,
        merchant=merchant,
        stranger=await city.participant("wallet"),
        wallet=await city.account(provider, "wallet", balance=10**6),
        shop=await city.account(merchant, "merchant"),
    )
    await city.admin.fetchval(
        QUERIES["set_participant"], merchant.id, "https://shop.example/", None
    )
    return Post(stage=stage, jobs=jobs)


async def two_payments(post: Post) -> tuple[str, str]:
    """Events 1 and 3 are of one payment, 2 and 4 of another."""
    first, second = await post.stage.pay(), await post.stage.pay()
    await post.stage.taken(first.id, "capture", amount=60)
    await post.stage.taken(second.id, "capture", amount=60)
    await post.sequence()
    return first.id, second.id


async def test_what_was_taken_leaves_one_row_a_turn_behind(post: Post) -> None:
    """And one number a participant; no row an event."""
    await two_payments(post)
    assert await post.work() == (True, False)
    assert await post.new(3) == [(1, False), (2, False), (3, False)]
    await post.passed(3)
    assert await post.new() == [(4, False)]
    await post.passed(4)
    assert (await post.work(), await post.new(), await post.due()) == (None, [], [])
    assert await post.kept() == {"delivery": 0, "delivery_run": 2, "delivery_taken": 0}


async def test_what_comes_behind_an_event_that_was_not_taken_waits_for_it(post: Post) -> None:
    """In the feed and in the rows; it is due as soon as the one before it is taken."""
    await two_payments(post)
    await post.passed(2, n1=SECOND)
    assert await post.new() == [(3, True), (4, False)]
    await post.passed(4, n3=None)
    assert await post.due() == [], "the first is not due yet, so the second is not"
    await post.stage.city.set_time(NOON + SECOND)
    assert await post.due() == [1]
    await post.settled(n1=SECOND)
    assert await post.due() == []
    await post.stage.city.set_time(NOON + 2 * SECOND)
    await post.settled(n1=None)
    assert await post.due() == [3]
    await post.settled(n3=None)
    assert await post.work() is None


async def test_what_was_put_behind_an_event_that_is_taken_meanwhile_is_due(post: Post) -> None:
    """The two kinds of turns overlap; whoever records last sees what the other has recorded."""
    await two_payments(post)
    await post.passed(1, n1=SECOND)
    assert await post.new(2) == [(2, False), (3, True)]
    await post.settled(n1=None)
    await post.passed(4, n3=None)
    assert await post.due() == [3]


async def test_an_event_is_dead_when_its_time_is_over(post: Post) -> None:
    """From its first attempt on; the last attempt is made at the end; the next one goes on."""
    await two_payments(post)
    await post.passed(4, n1=SECOND, n3=None)
    await post.stage.city.set_time(NOON + DAY - SECOND)
    assert await post.settled(n1=timedelta(hours=1)) == 0
    await post.stage.city.set_time(NOON + DAY)
    assert await post.due() == [1], "it does not wait beyond its end"
    assert await post.settled(n1=timedelta(hours=1)) == 1
    assert (await post.dead(), await post.due()) == ([1], [3])
    assert await post.settled(n3=timedelta(hours=1)) == 0, "its own time begins with its attempt"


async def test_a_replayed_event_is_sent_before_what_waits_behind_it(post: Post) -> None:
    """It starts anew, and comes first again."""
    await two_payments(post)
    await post.passed(4, n1=SECOND, n3=None)
    await post.stage.city.set_time(NOON + DAY)
    await post.settled(n1=SECOND)
    await post.settled(n3=timedelta(0))
    assert await post.replay([1]) == 1
    assert (await post.dead(), await post.due()) == ([], [1])
    assert await post.settled(n1=SECOND) == 0, "as if it had never been tried"
    await post.settled(n1=None)
    assert await post.due() == [3]


async def test_what_another_process_has_passed_is_left_as_it_is(post: Post) -> None:
    """Two at once send twice; the later word does not undo the earlier."""
    await two_payments(post)
    await post.passed(4)
    await post.passed(2, n1=SECOND)
    await post.settled(n1=SECOND)
    await post.stage.city.set_time(NOON + DAY)
    assert (await post.new(), await post.work()) == ([], None)


async def test_a_feed_is_not_read_on_while_too_much_waits(post: Post) -> None:
    """So a receiver that takes hardly anything has a bounded number of rows."""
    await two_payments(post)
    await post.passed(2, n1=SECOND, n2=SECOND)
    assert await post.work(waiting_max=3) == (True, False)
    assert await post.work(waiting_max=2) is None
    await post.stage.city.set_time(NOON + SECOND)
    assert await post.work(waiting_max=2) == (False, True)


async def test_an_event_that_waits_outlives_its_place_in_the_feed(post: Post) -> None:
    """It can be sent, and replayed, after the feed has forgotten it; in the end it is forgotten."""
    await two_payments(post)
    await post.passed(4, n1=SECOND)
    await post.stage.city.set_time(NOON + 91 * DAY)
    assert await prune_events(post.jobs, 90, 1000) >= 1
    assert await post.due() == [1]
    await post.settled(n1=SECOND)
    assert await post.dead() == [1]
    await prune_deliveries(post.jobs, 90, 100)
    assert await post.dead() == [1]
    await post.stage.city.set_time(NOON + 182 * DAY)
    assert await prune_deliveries(post.jobs, 90, 100) >= 1
    assert await post.dead() == []


async def test_a_callback_url_starts_with_what_happens_next(post: Post) -> None:
    """A first one, and one that is given again; what waited for the old one is not sent late."""
    admin, shop = post.stage.city.admin, post.stage.merchant.id
    await two_payments(post)
    await post.passed(4, n1=timedelta(0))
    await admin.fetchval(QUERIES["set_participant"], shop, "https://other.example/", None)
    assert await post.due() == [1], "another URL goes on where the last one was"
    await admin.fetchval(QUERIES["set_participant"], shop, "", None)
    assert await post.work() is None
    await post.stage.pay()
    await post.sequence()
    await admin.fetchval(QUERIES["set_participant"], shop, "https://other.example/", None)
    assert (await post.work(), await post.due()) == (None, [])
    await post.stage.pay()
    await post.sequence()
    assert await post.new() == [(6, False)]


async def test_a_participant_without_a_callback_url_has_nothing_replayed(post: Post) -> None:
    """There is nowhere to send it to."""
    await post.stage.city.admin.fetchval(
        QUERIES["set_participant"], post.stage.merchant.id, "", None
    )
    with pytest.raises(asyncpg.PostgresError, match="has no callback URL"):
        await post.replay()


async def test_a_timeline_says_what_was_taken(post: Post) -> None:
    """When, and after how many attempts; to whom it was pushed, and to nobody else."""
    first, second = await two_payments(post)
    await post.stage.city.set_time(NOON + SECOND)
    await post.passed(3, n1=SECOND, n3=None)
    assert await post.pushed(first, post.no) == [(3, "push_waits", 0), (1, "push_waits", 1)]
    assert await post.pushed(second, post.no) == [(2, "push_taken", 1)]
    await post.passed(4)
    await post.settled(n1=SECOND)
    await post.stage.city.set_time(NOON + 3 * SECOND)
    await post.settled(n1=None)
    await post.settled(n3=None)
    assert await post.pushed(first, post.no) == [(1, "push_taken", 3), (3, "push_taken", 1)]
    assert await post.pushed(second, post.no) == [(2, "push_taken", 1), (4, "push_taken", 1)]
    assert await post.pushed(second, post.stage.provider.no) == []
    entries = [
        entry
        for entry in (await timeline(post.stage, second)).entries
        if entry.what == "push_taken"
    ]
    assert [(entry.participant, entry.event) for entry in entries] == [
        (post.stage.merchant.id, "payment.held"),
        (post.stage.merchant.id, "payment.captured"),
    ]
    assert [entry.at for entry in entries] == [rfc3339(NOON + SECOND)] * 2


async def test_what_was_dead_and_is_taken_after_a_replay_is_taken(post: Post) -> None:
    """Its attempts are those since then."""
    first, _ = await two_payments(post)
    await post.passed(4, n1=SECOND)
    await post.stage.city.set_time(NOON + DAY)
    await post.settled(n1=SECOND)
    assert await post.pushed(first, post.no) == [(3, "push_taken", 1), (1, "push_dead", 2)]
    await post.replay([1])
    await post.settled(n1=None)
    assert await post.pushed(first, post.no) == [(3, "push_taken", 1), (1, "push_taken", 1)]


async def test_what_was_never_pushed_is_not_shown_as_taken(post: Post) -> None:
    """What happened before there was a callback URL, and what was dropped with an earlier one."""
    admin, shop = post.stage.city.admin, post.stage.merchant.id
    first, second = await two_payments(post)
    await post.passed(3, n1=SECOND, n3=None)
    for url in ("", "https://other.example/"):
        await admin.fetchval(QUERIES["set_participant"], shop, url, None)
    late = await post.stage.pay()
    await post.sequence()
    await post.passed(5)
    assert await post.pushed(first, post.no) == []
    assert await post.pushed(second, post.no) == [(2, "push_taken", 1)]
    assert await post.pushed(late.id, post.no) == [(5, "push_taken", 1)]


async def test_what_was_taken_is_forgotten_with_the_feed(post: Post) -> None:
    """Not before, so that a timeline that still names an event says what became of it."""
    first, _ = await two_payments(post)
    await post.passed(2, n1=SECOND)
    await post.passed(4, n3=None)
    await post.settled(n1=None)
    await post.stage.city.set_time(NOON + 91 * DAY)
    await post.stage.pay()
    await post.sequence()
    await post.passed(5)
    await prune_deliveries(post.jobs, 90, 100)
    assert await post.kept() == {"delivery": 1, "delivery_run": 3, "delivery_taken": 1}
    assert await post.pushed(first, post.no) == [(1, "push_taken", 2), (3, "push_waits", 0)]
    await prune_events(post.jobs, 90, 1000)
    while await prune_deliveries(post.jobs, 90, 1):
        pass
    assert await post.kept() == {"delivery": 1, "delivery_run": 1, "delivery_taken": 0}
